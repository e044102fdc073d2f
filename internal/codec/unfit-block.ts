import { cleanText, isRefusal, type Refusal } from '../sample/border.ts'
import { viewOf } from '../sample/same-bytes.ts'
import { type Series, type SeriesTable, seriesApart } from '../sample/series.ts'
import { sortedTags } from '../sample/series-names.ts'
import { type ColumnList, MAX_FIELDS, Shape } from '../sample/shape.ts'
import { hasValue, integerFitsKind, type Slot } from '../sample/value.ts'
import { isConvertible, parseNames } from './frame-names.ts'

/** A name may be as long as a frame says, and longer once it is cleaned. Of a letter nobody reads more of it. */
const MAX_SHOWN_CHARACTERS = 2048

/**
 * A block of a frame that the table cannot take as it stands: a field of another kind, or a name that no store takes.
 * The frame is whole otherwise, so each row of the block is looked at alone.
 */
export interface UnfitBlock {
  /** Its place among the blocks of the frame. */
  readonly index: number
  /** The series as the message names it, with the kinds of the message. No table has it. */
  readonly apart: Series
  /** The series of the table, or why there is none. */
  readonly home: Series | Refusal
  /** Its columns as they stand in the message. */
  readonly list: ColumnList
}

/** @returns undefined where the names cannot be read: then nobody knows where the block ends */
export function unfitBlock(
  index: number,
  names: Buffer,
  table: SeriesTable,
  nowUs: number,
  refusal: Refusal,
): UnfitBlock | undefined {
  const said = parseNames(names)
  if (typeof said === 'string') return undefined
  const { fields, fieldsAt } = said
  const measurement = shown(said.measurement)
  const tags = sortedTags(said.tags).map(([key, value]) => [shown(key), shown(value)] as const)
  let shape = new Shape(measurement)
  for (const { name, kind } of fields) shape = new Shape(measurement, shape, shown(name), kind)
  return {
    index,
    apart: seriesApart(measurement, tags, nowUs, shape),
    home: fields.length > MAX_FIELDS ? refusal : table.intern(said.measurement, said.tags, nowUs),
    list: {
      view: viewOf(Buffer.from(names.subarray(fieldsAt))),
      columns: fields.map(({ name, kind }, i) => ({
        ...{ name, kind, target: kind, isConverted: false, index: i, absent: undefined },
      })),
      isPlain: false,
      values: [],
    },
  }
}

/**
 * The values of a row in the order of the fields of the series that the table has.
 *
 * @param values of the row, as the message gives them
 * @returns why that series cannot have them
 */
export function fittingValues(home: Series, list: ColumnList, values: readonly Slot[]): Slot[] | Refusal {
  const fitting: Slot[] = []
  for (const { name, kind, index: from } of list.columns) {
    const value = values[from]
    if (!hasValue(value)) continue
    const index = home.field(name, kind)
    if (isRefusal(index)) return index
    const target = home.fieldKinds[index]!
    const fits = target === kind || (isConvertible(kind, target) && integerFitsKind(value as number | bigint, target))
    if (!fits) {
      const detail = `${String(value).slice(0, 80)} (${kind}) in field ${name} of ${home.measurement}, known as ${target}`
      return { reason: 'field_type', detail }
    }
    while (fitting.length <= index) fitting.push(undefined)
    if (fitting[index] !== undefined) return { reason: 'frame_malformed', detail: `field ${name} stands twice` }
    fitting[index] = target === 'float' ? Number(value) : value
  }
  return fitting
}

function shown(text: string): string {
  return cleanText(text).slice(0, MAX_SHOWN_CHARACTERS).toWellFormed()
}
