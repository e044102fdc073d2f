/** The unit of a field of the measurement `gpu`. Its name ends in it. */
export type CanonicalUnit =
  | 'percent'
  | 'ratio'
  | 'hertz'
  | 'celsius'
  | 'watts'
  | 'joules'
  | 'bytes'
  | 'bytes_per_second'
  | 'seconds'
  | 'count'

/** A unit in which a source gives a figure. */
export type SourceUnit =
  | '%'
  | '0–1'
  | 'MHz'
  | 'Hz'
  | '°C'
  | 'W'
  | 'mJ'
  | 'J'
  | 'MiB'
  | 'B'
  | 'KB/s'
  | 'MB/s'
  | 'B/s'
  | 'ns'
  | 'µs'
  | 's'
  | '1'

interface Unit {
  readonly canonical: CanonicalUnit
  /** Converts a figure in the canonical unit, by one rounding, so that `57` percent and the ratio `0.57` are one number. */
  readonly convert: (value: number) => number
  /** How the text that goes with a metric says this unit. */
  readonly said: RegExp
}

const same = (value: number): number => value
const times =
  (factor: number) =>
  (value: number): number =>
    value * factor
const through =
  (divisor: number) =>
  (value: number): number =>
    value / divisor
/** Exporters print six decimals. `0.57 * 100` is 56.99999999999999. */
const hundredfold = (value: number): number => {
  const whole = Math.round(value * 1e10)
  return Number.isSafeInteger(whole) ? whole / 1e8 : value * 100
}

const UNITS: Readonly<Record<SourceUnit, Unit>> = {
  '%': { canonical: 'percent', convert: same, said: /%|\bper ?cent|\b0 ?(-|–|to) ?100\b/i },
  '0–1': { canonical: 'ratio', convert: same, said: /\bratio\b|\bfraction\b|\b0(\.0)? ?(-|–|to) ?1(\.0)?\b/i },
  MHz: { canonical: 'hertz', convert: times(1e6), said: /\bMHz\b|\bmegahertz\b/i },
  Hz: { canonical: 'hertz', convert: same, said: /\bHz\b|\bhertz\b/i },
  '°C': { canonical: 'celsius', convert: same, said: /\bC\b|celsius/ },
  W: { canonical: 'watts', convert: same, said: /\bW\b|\bwatts?\b/i },
  mJ: { canonical: 'joules', convert: through(1e3), said: /\bmJ\b|\bmilli-?joules?\b/i },
  J: { canonical: 'joules', convert: same, said: /\bJ\b|\bjoules?\b/i },
  MiB: { canonical: 'bytes', convert: times(2 ** 20), said: /\bMi?B\b|\bme(ga|bi)bytes?\b/i },
  B: { canonical: 'bytes', convert: same, said: /\bB\b|\bbytes?\b/i },
  'KB/s': { canonical: 'bytes_per_second', convert: times(1e3), said: /\bKi?B\b|\bkilobytes?\b/i },
  'MB/s': { canonical: 'bytes_per_second', convert: times(1e6), said: /\bMi?B\b|\bmegabytes?\b/i },
  'B/s': { canonical: 'bytes_per_second', convert: same, said: /\bB\/s|\bbytes per second|\bbytes\/s/i },
  ns: { canonical: 'seconds', convert: through(1e9), said: /\bns\b|\bnano-?seconds?\b/i },
  µs: { canonical: 'seconds', convert: through(1e6), said: /\b[uµ]s\b|\bmicro-?seconds?\b/i },
  s: { canonical: 'seconds', convert: same, said: /\bs\b|\bseconds?\b/i },
  '1': { canonical: 'count', convert: same, said: /(?!)/ },
}

/** The units of each quantity that a help text may name. */
const OF_QUANTITY: Readonly<Record<CanonicalUnit, readonly SourceUnit[]>> = {
  percent: ['%', '0–1'],
  ratio: ['%', '0–1'],
  hertz: ['MHz', 'Hz'],
  celsius: ['°C'],
  watts: ['W'],
  joules: ['mJ', 'J'],
  bytes: ['MiB', 'B'],
  bytes_per_second: ['KB/s', 'MB/s', 'B/s'],
  seconds: ['ns', 'µs', 's'],
  count: [],
}

/** The units of a quantity that a text names: none, one, or several as in "ratio (in %)". */
export function unitsSaid(help: string, of: CanonicalUnit): SourceUnit[] {
  return OF_QUANTITY[of].filter((unit) => UNITS[unit].said.test(help))
}

/** The conversion from a source's unit to that of a field; undefined where they measure different things. */
export function conversion(from: SourceUnit, to: CanonicalUnit): ((value: number) => number) | undefined {
  const { canonical, convert } = UNITS[from]
  if (canonical === to) return convert
  return from === '0–1' && to === 'percent' ? hundredfold : undefined
}

/** What a figure in the unit of a field is in a source's unit: the way back of `conversion`. */
export function backTo(unit: SourceUnit, from: CanonicalUnit): (value: number) => number {
  const one = conversion(unit, from)?.(1) ?? 1
  if (one === 1) return same
  // A power of ten, or of two, is exact in one of the two directions, and 15 digits are what a double keeps.
  return one > 1 ? through(one) : (value) => Number((value / one).toPrecision(15))
}
