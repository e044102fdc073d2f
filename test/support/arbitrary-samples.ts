import fc from 'fast-check'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { FieldKind, Slot, Tag } from '../../internal/sample/value.ts'

/**
 * Characters with a special meaning somewhere between a source and a store. Generated texts are short and full of them.
 */
const AWKWARD = [
  ...['\\', '\\', ',', '=', ' ', '"', "'", '#', '\n', '\r', '\t', '\0', '\u007f', '\u0085', '\u2028', '\ufeff'],
  ...[
    'a',
    'B',
    '0',
    'i',
    'é',
    'ß',
    '中',
    '\u0301',
    '🚀',
    '👩‍💻',
    '\ud83d',
    '\udc00',
    '$',
    '%',
    '`',
    '{',
    '<',
    '\u200b',
  ],
]

const awkwardText = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom(...AWKWARD), maxLength: 8 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('cpu', 'host', 'time', '_field', 'C:\\temp', '\\', '\\\\', ' ', '=', 'a\\ b'),
  },
)

const INT_EDGES = [0, -0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53)]
const BIG_EDGES = [2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 0n]
const FLOAT_EDGES = [
  ...[0, -0, 0.1, 12.5, 99.99, 0.01, 999.995, 1000, 1e21, -1e21, 123456789012345680000, 1e-7, 5e-324, 1e-320],
  ...[Number.MAX_VALUE, -Number.MAX_VALUE, Number.EPSILON, 2 ** 53, 2 ** 53 + 2, 1 / 3, NaN, Infinity, -Infinity],
]

/** Values of the right kind; floats may be NaN or infinite. */
export const arbitraryValue: Readonly<Record<FieldKind, fc.Arbitrary<Slot>>> = {
  float: fc.oneof(
    fc.constantFrom(...FLOAT_EDGES),
    fc.double(),
    fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100),
  ),
  int: fc.oneof(
    fc.constantFrom<Slot>(...INT_EDGES, ...BIG_EDGES),
    fc.maxSafeInteger(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  ),
  uint: fc.oneof(
    fc.constantFrom<Slot>(0, 1, 2 ** 53, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
    fc.maxSafeNat(),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  ),
  bool: fc.boolean(),
  string: fc.oneof(awkwardText, fc.string({ unit: 'binary', maxLength: 60 })),
}

const KINDS: readonly FieldKind[] = ['float', 'int', 'uint', 'bool', 'string']

/**
 * Samples that any source might make, after the border: they have no names that it refuses. Each sample is its own
 * object. Samples with equal measurement and tags share a series.
 */
export function arbitrarySample(
  options: { table?: SeriesTable; kinds?: readonly FieldKind[]; maxFields?: number; minTimeUs?: number } = {},
): fc.Arbitrary<Sample> {
  const { table = new SeriesTable(), kinds = KINDS, maxFields = 5, minTimeUs = -62_135_596_800e6 } = options
  const tag: fc.Arbitrary<Tag> = fc.tuple(awkwardText, awkwardText)
  const field = fc
    .constantFrom(...kinds)
    .chain((kind) => fc.record({ name: awkwardText, kind: fc.constant(kind), value: fc.option(arbitraryValue[kind]) }))
  const at = fc.oneof(
    fc.integer({ min: 1_700_000_000e6, max: 1_800_000_000e6 }),
    fc.constantFrom(1_763_900_000_000_000, 1_763_900_000_999_999, 1000, 1001, 999_999, 4_102_444_800e6),
    fc.constantFrom(...[-1, 0, 1, 999, -1000, -1_000_001].filter((us) => us >= minTimeUs)),
    fc.integer({ min: Math.max(minTimeUs, -(2 ** 52)), max: 2 ** 52 }),
  )
  return fc
    .record({
      measurement: awkwardText,
      tags: fc.array(tag, { maxLength: 4 }),
      fields: fc.array(field, { minLength: 1, maxLength: maxFields }),
      at,
      tie: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999 })),
    })
    .map(({ measurement, tags, fields, at, tie }): Sample | undefined => {
      const series = table.intern(measurement, tags, 0)
      if (isRefusal(series)) return undefined
      const values: Slot[] = []
      for (const { name, kind, value } of fields) {
        const index = series.field(name, kind)
        if (typeof index !== 'number' || series.fieldKinds[index] !== kind) continue
        while (values.length < index) values.push(undefined)
        values[index] = value ?? undefined
      }
      return { series, values, at, tie }
    })
    .filter((sample) => sample !== undefined)
}
