import { encodeLine } from '../../../format/line/encode.ts'
import { type Series, seriesApart } from '../../../sample/series.ts'
import type { FieldKind, FieldValue, Slot } from '../../../sample/value.ts'
import type { StoredRow } from '../../../store/store.ts'
import { timeText } from '../../../text/time-text.ts'

/** Samples of one measurement as text, some at a time. */
export interface TextFormat {
  readonly head: string
  rows(rows: readonly StoredRow[]): Buffer
}

/** The columns of a table: `time`, tags and fields, each once. */
export function csvFormat(tags: readonly string[], fields: readonly string[]): TextFormat {
  const names = ['time', ...tags, ...fields]
  return {
    head: `${names.map(cell).join(',')}\n`,
    rows: (rows) =>
      Buffer.from(
        rows
          .map(({ at, tags: of, values }) => {
            const cells = [...tags.map((key) => of[key] ?? ''), ...fields.map((field) => textOf(values.get(field)))]
            return `${[timeText(at), ...cells.map(cell)].join(',')}\n`
          })
          .join(''),
      ),
  }
}

function textOf(value: FieldValue | undefined): string {
  return value === undefined ? '' : String(value)
}

/** As RFC 4180 has it. */
function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Line protocol, which every store of ours takes again. */
export function lineFormat(measurement: string, kinds: ReadonlyMap<string, FieldKind>): TextFormat {
  const known = new Map<string, Series>()
  return {
    head: '',
    rows: (rows) => Buffer.concat(rows.map((row) => lineOf(measurement, row, kinds, known))),
  }
}

function lineOf(
  measurement: string,
  { at, tags, values }: StoredRow,
  kinds: ReadonlyMap<string, FieldKind>,
  known: Map<string, Series>,
): Buffer {
  const key = JSON.stringify(tags)
  let series = known.get(key)
  if (series === undefined) {
    series = seriesApart(
      measurement,
      Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
    known.set(key, series)
  }
  const slots: Slot[] = []
  for (const [field, value] of values) {
    const index = series.field(field, kinds.get(field) ?? kindOf(value))
    if (typeof index === 'number') slots[index] = value
  }
  return encodeLine({ series, values: slots, at, tie: 0 })
}

function kindOf(value: FieldValue): FieldKind {
  if (typeof value === 'string') return 'string'
  return typeof value === 'boolean' ? 'bool' : 'float'
}
