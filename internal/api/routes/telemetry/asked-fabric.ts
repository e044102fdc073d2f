import { Type } from '@sinclair/typebox'
import type { FabricGeneration } from '../../../view/fabric/fabric-generation.ts'
import type { FabricView } from '../../../view/fabric/fabric-view.ts'
import { TelemetryError } from './errors.ts'

/** A source is asked every ten seconds. */
const RETRY_SECONDS = 5

export const FabricParam = Type.Optional(
  Type.String({ maxLength: 256, description: 'The name of the fabric. Needed only where there are several.' }),
)

/** What is shown of the fabric that a request is about. @throws TelemetryError */
export function askedFabric(view: FabricView, name: string | undefined): FabricGeneration {
  const shown = name === undefined || name === '' ? view.only : view.shown(name)
  if (shown !== undefined) return shown
  const { names } = view
  if (names.length === 0 || (name !== undefined && view.isAwaited(name))) {
    const text = 'no snapshot of a fabric has arrived yet'
    throw new TelemetryError(503, text, text, { retryAfterSeconds: RETRY_SECONDS })
  }
  if (name === undefined || name === '')
    throw new TelemetryError(400, 'Missing fabric parameter', `there are several fabrics: add fabric=, one of ${names.join(', ')}`, { parameter: 'fabric' }) // biome-ignore format: one line
  throw new TelemetryError(
    404,
    'fabric does not exist',
    `there is no fabric ${JSON.stringify(name)}, but ${names.join(', ')}`,
  )
}

/** @throws TelemetryError where no row has this id */
export function askedRow(generation: FabricGeneration, switchId: string): number {
  const row = generation.find(switchId)
  if (row < 0) throw new TelemetryError(404, 'switch_id does not exist', `Switch ID '${switchId}' not found.`)
  return row
}

/** @throws TelemetryError where no target of the fabric has this metric */
export function checkMetric(generation: FabricGeneration, metric: string): void {
  if (generation.hasMetric(metric)) return
  const names = generation.metrics.map(({ name }) => name).join(', ')
  throw new TelemetryError(404, 'metric does not exist', `Metric '${metric}' not found. Valid metrics are: ${names}`)
}
