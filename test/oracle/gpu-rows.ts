import { influxQuery } from '../support/influx.ts'
import { payloadOf } from './samples.ts'

/** Rows with readings of GPUs, in the columns of files and of the older system's messages. Their content follows from their number. */
export const HEADER =
  'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw'
const GPUS = 8
/** Every so many rows one has a value that is none: it must become a dead letter. */
const BAD_EVERY = 101
export const BAD_REASON = 'not_a_number'
const METRICS = [
  {
    name: 'DCGM_FI_DEV_GPU_TEMP',
    field: 'temperature_celsius',
    of: (id: number) => 20 + (payloadOf(id).count + 1000) / 50,
  },
  { name: 'DCGM_FI_DEV_POWER_USAGE', field: 'power_watts', of: (id: number) => payloadOf(id).value / 20 },
] as const
const ROWS_A_TIME = GPUS * METRICS.length
const FIELDS: ReadonlySet<string> = new Set(METRICS.map(({ field }) => field))

/** @param fromMs the time of the first row; sixteen have the same, and the next ones are a millisecond later */
export function gpuRow(id: number, fromMs: number): string[] {
  const { uuid, atMs, metric } = placeOf(id, fromMs)
  const gpu = `${id % GPUS}`
  const model = 'NVIDIA H100 80GB HBM3'
  return [
    ...[new Date(atMs).toISOString(), metric.name, gpu, `nvidia${gpu}`, uuid, model, 'oracle-1'],
    ...['', `pod-${gpu}`, 'default', isGood(id) ? `${metric.of(id)}` : badValue(id), 'job="oracle"'],
  ]
}

/** Whether the row of a number has a value. */
export function isGood(id: number): boolean {
  return id % BAD_EVERY !== BAD_EVERY - 1
}

/** What a row has in place of a value. */
export function badValue(id: number): string {
  return `broken ${id}`
}

export function csvLine(row: readonly string[]): string {
  return `${row.map((cell) => (/[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\n`
}

/**
 * The numbers of the rows in the database whose value is there as it was made.
 *
 * @param issued how many rows were made
 * @param problems gets what is there and was never made
 */
export async function storedRows(
  { url, database }: { readonly url: string; readonly database: string },
  issued: number,
  fromMs: number,
  problems: string[],
): Promise<Set<number>> {
  const expected = new Map<string, number>()
  for (let id = 0; id < issued; id++) {
    if (!isGood(id)) continue
    const { uuid, atMs, metric } = placeOf(id, fromMs)
    expected.set(`${uuid} ${atMs * 1000} ${metric.field}`, id)
  }
  const stored = new Set<number>()
  let wrong = 0
  for (const row of await influxQuery(url, database, 'SELECT * FROM gpu')) {
    for (const [field, value] of Object.entries(row)) {
      if (!FIELDS.has(field) || value === null) continue
      const id = expected.get(`${row.uuid} ${row.time} ${field}`)
      if (id !== undefined && METRICS[metricOf(id)]!.of(id) === value) stored.add(id)
      else if (wrong++ === 0) problems.push(`stored, but not as it was made: ${JSON.stringify(row)}`)
    }
  }
  if (wrong > 1) problems.push(`${wrong} values of GPUs in all are not as they were made`)
  return stored
}

function placeOf(id: number, fromMs: number): { uuid: string; atMs: number; metric: (typeof METRICS)[number] } {
  return {
    uuid: `GPU-${id % GPUS}`,
    atMs: fromMs + Math.floor(id / ROWS_A_TIME),
    metric: METRICS[metricOf(id)]!,
  }
}

function metricOf(id: number): number {
  return Math.floor(id / GPUS) % METRICS.length
}
