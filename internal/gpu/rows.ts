import { quote, type Refusal } from '../sample/border.ts'
import { HOST_LABELS } from './identity.ts'
import type { GpuReading } from './readings.ts'
import { readTime } from './times.ts'

/** The columns of files of readings, in the order in which they come without a header. */
export const ROW_COLUMNS = [
  'timestamp',
  'metric_name',
  'gpu_id',
  'device',
  'uuid',
  'modelName',
  'Hostname',
  'container',
  'pod',
  'namespace',
  'value',
  'labels_raw',
] as const

/** How the three columns that are no labels may be called. */
const NAMES = {
  time: ['timestamp', 'time'],
  metric: ['metric_name', 'metric'],
  value: ['value'],
} as const
const NO_LABELS = new Set<string>(Object.values(NAMES).flat())

/** Where a header has the three columns, or undefined: then it is none. */
export function readHeader(names: readonly string[]): { time: number; metric: number; value: number } | undefined {
  const find = (of: readonly string[]): number => names.findIndex((name) => of.includes(name))
  const [time, metric, value] = [find(NAMES.time), find(NAMES.metric), find(NAMES.value)]
  return time < 0 || metric < 0 || value < 0 ? undefined : { time, metric, value }
}

/**
 * A reading as a JSON value: an object by the names of the columns, or a list of all columns in their order.
 *
 * @param arrivedAtUs the time of a reading without one
 */
export function readingOf(row: unknown, arrivedAtUs: number): GpuReading | Refusal {
  const cells = cellsOf(row)
  if (cells === undefined) return refused('row_syntax', 'neither an object nor a list of the columns')
  const first = (names: readonly string[]): unknown => names.map((name) => cells[name]).find((cell) => cell != null)
  const metric = first(NAMES.metric)
  if (typeof metric !== 'string' || metric === '') return refused('row_syntax', 'it does not say which metric it is')
  const value = first(NAMES.value) ?? ''
  if (typeof value !== 'string' && typeof value !== 'number')
    return refused('not_a_number', `${metric} is a ${typeof value}`)
  const written = first(NAMES.time) ?? ''
  const time = written === '' ? { atUs: arrivedAtUs, tie: 0 } : readTime(String(written))
  if (time === undefined) return refused('time_syntax', `${quote(String(written))} is no time`)
  const labels = new Map<string, string>()
  for (const [name, cell] of Object.entries(cells)) {
    if (NO_LABELS.has(name) || (typeof cell !== 'string' && typeof cell !== 'number')) continue
    labels.set(name, String(cell))
  }
  return { metric, value, labels, ...time }
}

/**
 * A reading as a message of one row, of which `readingOf` makes the same reading.
 *
 * @param host of a reading without a label for it
 */
export function rowOf({ metric, value, labels, atUs }: GpuReading, host?: string): string {
  return JSON.stringify([
    {
      ...withHost(Object.fromEntries(labels), host),
      ...{ timestamp: atUs, metric_name: metric, value: Number.isFinite(value) ? value : String(value) },
    },
  ])
}

/** The labels of a reading that is to be read elsewhere. */
export function withHost(labels: Readonly<Record<string, string>>, host = ''): Readonly<Record<string, string>> {
  const isNamed = HOST_LABELS.some((name) => (labels[name] ?? '') !== '')
  return isNamed || host === '' ? labels : { ...labels, Hostname: host }
}

function cellsOf(row: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof row !== 'object' || row === null) return undefined
  if (!Array.isArray(row)) return row as Readonly<Record<string, unknown>>
  if (row.length !== ROW_COLUMNS.length) return undefined
  return Object.fromEntries(ROW_COLUMNS.map((name, i) => [name, row[i]]))
}

function refused(reason: Refusal['reason'], detail: string): Refusal {
  return { reason, detail }
}
