import { packedSeries, packSnappy, type TestSeries } from '../support/remote-write.ts'
import type { Found } from './flow.ts'
import { csvLine, gpuRow, HEADER, isGood, storedRows } from './gpu-rows.ts'
import { lineOf, storedLines } from './intake-lines.ts'
import type { Post } from './poster.ts'

/** What is posted to an intake, and how it is found again. */
export interface IntakeBody {
  /** The post of some numbers; those that are not good have no sample. */
  post(ids: readonly number[], fromMs: number): Post
  isGood(id: number): boolean
  /** The numbers that are stored as they were posted. @param problems gets what is there and was never posted */
  stored(found: Found, issued: number, fromMs: number, problems: string[]): Promise<Set<number>>
}

const OF_GPUS = { isGood, stored: storedRows }

export const INTAKE_BODIES = {
  lines: {
    post: (ids, fromMs) => ({
      path: '/api/v2/write?precision=us',
      body: ids.map((id) => lineOf(id, fromMs)).join('\n'),
    }),
    isGood: () => true,
    stored: storedLines,
  },
  csv: {
    ...OF_GPUS,
    post: (ids, fromMs) => ({
      path: '/api/v1/ingest/csv',
      type: 'text/csv',
      body: `${HEADER}\n${rowsOf(ids, fromMs).map(csvLine).join('')}`,
    }),
  },
  json: {
    ...OF_GPUS,
    post: (ids, fromMs) => ({
      path: '/telemetry',
      type: 'application/json',
      body: JSON.stringify(rowsOf(ids, fromMs).map(readingOf)),
    }),
  },
  remoteWrite: {
    ...OF_GPUS,
    post: (ids, fromMs) => ({
      path: '/api/v1/prom/write',
      type: 'application/x-protobuf',
      encoding: 'snappy',
      body: packSnappy(packedSeries(rowsOf(ids, fromMs).map(seriesOf), '1.0')),
    }),
  },
} as const satisfies Record<string, IntakeBody>

function rowsOf(ids: readonly number[], fromMs: number): string[][] {
  return ids.filter(isGood).map((id) => gpuRow(id, fromMs))
}

/** As clients of the older system send it. */
function readingOf([
  time,
  metric,
  gpu_id,
  device,
  uuid,
  modelName,
  Hostname,
  container,
  pod,
  namespace,
  value,
]: readonly string[]) {
  return { time, metric, gpu_id, device, uuid, modelName, Hostname, container, pod, namespace, value: Number(value) }
}

/** As dcgm-exporter names its labels. */
function seriesOf([
  time,
  metric,
  gpu,
  device,
  UUID,
  modelName,
  Hostname,
  ,
  pod,
  namespace,
  value,
]: readonly string[]): TestSeries {
  const labels = { __name__: metric!, Hostname: Hostname!, UUID: UUID!, device: device!, gpu: gpu! }
  const more = { modelName: modelName!, namespace: namespace!, pod: pod! }
  return {
    labels: Object.entries({ ...labels, ...more }),
    samples: [[Number(value), Date.parse(time!)]],
    ...{ histograms: 0, exemplars: 0 },
  }
}
