import { agent } from './agent.ts'
import { getMetric } from './get-metric.ts'
import type { Row } from './row.ts'
import { start } from './start.ts'

/** Everything that can be measured, in the order of the tables. */
export const ROWS: readonly Row[] = [getMetric, agent, start]
