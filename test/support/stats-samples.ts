import fc from 'fast-check'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'

/** Samples of `system_stats`, as the two legacy formats carry them. */
export function arbitraryStats(options: { host: fc.Arbitrary<string>; tie: number }): fc.Arbitrary<Sample> {
  const table = new SeriesTable()
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(0, -0, 12.5, 5e-324, 1e21, Number.MAX_VALUE),
  )
  const at = fc.oneof(
    fc.integer({ min: 1_700_000_000e6, max: 1_800_000_000e6 }),
    fc.constantFrom(1, 999_999, 1_763_900_000_123_456, 2 ** 53 - 1),
  )
  return fc.record({ host: options.host, cpu: value, mem: fc.option(value, { nil: undefined }), at }).map((given) => {
    const series = table.intern('system_stats', given.host === '' ? [] : [['host', given.host]], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('cpu', 'float')
    series.field('mem', 'float')
    return { series, values: [given.cpu, given.mem], at: given.at, tie: options.tie }
  })
}
