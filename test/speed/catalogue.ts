import { agent } from './agent.ts'
import { allocations, compareJson, comparePacked, comparePlain } from './compare.ts'
import { cpu25, cpu100 } from './cpu.ts'
import { getMetric } from './get-metric.ts'
import { latency25, latency100 } from './latency.ts'
import { memoryOutage, memorySteady } from './memory.ts'
import type { Row } from './row.ts'
import { SCALING } from './scaling.ts'
import { start } from './start.ts'
import { frames, json, packed, streams, streamsFrames } from './throughput.ts'

/** Everything that can be measured, in the order of the tables. */
export const ROWS: readonly Row[] = [
  ...[packed, json, frames, cpu25, cpu100, latency25, latency100, streams, streamsFrames],
  ...[allocations, getMetric, agent, start],
  ...SCALING,
  ...[memorySteady, memoryOutage],
  ...[comparePlain, compareJson, comparePacked],
]
