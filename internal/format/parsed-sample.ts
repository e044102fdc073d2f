import { isRefusal, type Refusal } from '../sample/border.ts'
import type { Sample } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import type { ParsedLine } from './line/parse.ts'

/**
 * A parsed line as a sample of its own.
 *
 * @param arrivedAtUs the time of a line that has none; the series counts as used then
 * @returns a refusal when the border refuses a name, or `field_type` when the series knows a field as another kind
 */
export function parsedSample(line: ParsedLine, table: SeriesTable, arrivedAtUs = 0): Sample | Refusal {
  const { measurement, tags, fields, timeNs = BigInt(arrivedAtUs) * 1000n } = line
  const tie = Number(((timeNs % 1000n) + 1000n) % 1000n)
  const at = Number((timeNs - BigInt(tie)) / 1000n)
  const series = table.intern(measurement, tags, arrivedAtUs || at)
  if (isRefusal(series)) return series
  const sample: Sample = { series, values: [], at, tie }
  for (const { name, kind, value } of fields) {
    const index = series.field(name, kind)
    if (typeof index !== 'number') return index
    const known = series.fieldKinds[index]
    if (known !== kind) return { reason: 'field_type', detail: `field type conflict: ${name} is ${kind}, was ${known}` }
    sample.values[index] = value
  }
  return sample
}
