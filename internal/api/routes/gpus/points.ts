import { askedMetric, dcgmName } from '../../../gpu/metrics.ts'
import { exactNumber, type FieldValue } from '../../../sample/value.ts'
import type { StoredRow } from '../../../store/store.ts'
import { timeText } from '../../../text/time-text.ts'
import { gpuKey, gpuTags } from '../../../view/gpus/identity.ts'

/** A value of a GPU with all that was known of it then, as clients of an older system read it. */
export interface Point {
  readonly device_id: string
  readonly metric: string
  readonly value: number | string | boolean
  readonly time: string
  readonly gpu_id: string
  readonly uuid: string
  readonly modelName: string
  readonly Hostname: string
  readonly container: string
  readonly pod: string
  readonly namespace: string
  readonly labels_raw: string
}

/** How values are named, and in which unit they are. */
export interface Naming {
  /** The fields that are wanted; undefined for all. */
  readonly fields: readonly string[] | undefined
  readonly of: (field: string) => { readonly name: string; readonly convert: (value: number) => number }
}

/** @param metric that is asked for, by any name; its values get that name and unit. @param dcgm whether others get those of DCGM */
export function namingOf(metric: string | undefined, dcgm: boolean): Naming {
  if (metric === undefined) {
    return { fields: undefined, of: dcgm ? dcgmName : (field) => ({ name: field, convert: (value) => value }) }
  }
  const { fields, convert } = askedMetric(metric)
  return { fields, of: (field) => ({ name: metric, convert: (value) => convert(field, value) }) }
}

/** A value on its way: its text parts are looked up by its row. */
export interface Value {
  readonly row: StoredRow
  readonly field: string
}

/** The values of rows, row by row, those of one row by the names of their fields. */
export function valuesOf(rows: readonly StoredRow[]): Value[] {
  return rows.flatMap((row) => [...row.values.keys()].sort().map((field) => ({ row, field })))
}

/** Texts of a GPU count from when they came; they come with a sample, when they change, and after ten minutes. */
export const TEXTS_COUNT_US = 1_200e6

/** Finds what was known of GPUs at a time. */
export class Texts {
  /** By GPU, the newest first. */
  readonly #rows = new Map<string, StoredRow[]>()

  /** @param rows of `gpu_info`, the newest first */
  constructor(rows: readonly StoredRow[]) {
    for (const row of rows) {
      const key = keyOf(row)
      const known = this.#rows.get(key)
      if (known === undefined) this.#rows.set(key, [row])
      else known.push(row)
    }
  }

  /** Of a field at the time of a row; '' where nothing is known. */
  at(row: StoredRow): (field: string) => string {
    const rows = this.#rows.get(keyOf(row)) ?? []
    // What was sent out of order may have its texts a little later.
    const info = rows.find(({ at }) => at <= row.at) ?? rows.findLast(({ at }) => at - row.at <= TEXTS_COUNT_US)
    return (field) => {
      const value = info?.values.get(field)
      return typeof value === 'string' ? value : ''
    }
  }
}

function keyOf({ tags }: StoredRow): string {
  return gpuKey(gpuTags((name) => tags[name]))
}

export function pointOf({ row, field }: Value, texts: Texts, naming: Naming): Point {
  const tags = gpuTags((name) => row.tags[name])
  const text = texts.at(row)
  const { name, convert } = naming.of(field)
  return {
    device_id: text('device_id') || text('device'),
    metric: name,
    value: shown(row.values.get(field)!, convert),
    time: timeText(row.at),
    gpu_id: tags.gpu,
    uuid: tags.uuid,
    modelName: tags.model,
    Hostname: tags.host,
    ...{ container: text('container'), pod: text('pod'), namespace: text('namespace') },
    labels_raw: text('labels_raw'),
  }
}

function shown(value: FieldValue, convert: (value: number) => number): Point['value'] {
  if (typeof value === 'number') return convert(value)
  return typeof value === 'bigint' ? inUnit(exactNumber(String(value)), convert) : value
}

/** A figure in another unit. The digits of an integer that no number holds stay as they are where the unit does. */
export function inUnit(value: number | string, convert: (value: number) => number): number | string {
  const number = Number(value)
  const converted = convert(number)
  return converted === number ? value : converted
}
