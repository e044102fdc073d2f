import { median } from './median.ts'

/** A benchmark as it was when the baseline was stored. */
export interface Known {
  readonly name: string
  readonly unit: string
  /** What each process found: time of an operation in calibrations, and in ns of CPU. */
  readonly ratios: readonly number[]
  readonly ns: readonly number[]
  /** Ratios of processes that had busy neighbours: none unless a baseline was to be stored. */
  readonly busy: readonly number[]
}

/** A benchmark now. */
export interface Found extends Known {
  /** Undefined: it is new. */
  readonly known: Known | undefined
}

export type Verdict = 'same' | 'slower' | 'faster' | 'new'

/** Smaller changes are not spoken of: on a busy machine one program differs from itself by so much. */
const LEAST_LIMIT = 0.1

/**
 * How many processes must agree that a benchmark has changed: the best of so many is then beyond the limit. Two processes of one program differ,
 * because memory lies elsewhere and the compiler takes its decisions at other moments, some by the half; each has its good ones.
 *
 * Two cores with a load of 5 to 9 from other work: of 40 comparisons of programs that had not changed none was called slower, most after one
 * process; packed decoding that was made 30 % slower was, by 35 % with a limit of 15 %.
 */
export const PROCESSES_TO_AGREE = 8

/**
 * The change that is too much, as a part of the best: twice the distance from the baseline's best process to its third, and no less than what
 * busy neighbours alone can do. They slow down what goes through much memory, and hardly the calibration.
 */
export function limitOf({ ratios, busy }: Pick<Known, 'ratios' | 'busy'>): number {
  const sorted = [...ratios].sort((a, b) => a - b)
  const best = sorted[0]!
  const third = sorted[2] ?? best
  const besideOthers = busy.length === 0 ? best : median(busy)
  return Math.max(LEAST_LIMIT, 2 * (third / best - 1), besideOthers / best - 1)
}

/** What it takes now as a part of what it took, by the best process of each. */
export function factorOf(ratios: readonly number[], known: Pick<Known, 'ratios'>): number {
  return Math.min(...ratios) / Math.min(...known.ratios)
}

/** The last word on a benchmark as soon as it cannot be other than the same, or enough processes agree that it is not; until then undefined. */
export function verdictOf({ ratios, known }: Pick<Found, 'ratios' | 'known'>): Verdict | undefined {
  if (known === undefined) return 'new'
  const limit = 1 + limitOf(known)
  const factors = ratios.map((ratio) => factorOf([ratio], known))
  const [isSlower, isFaster] = [
    factors.every((factor) => factor > limit),
    factors.every((factor) => factor < 1 / limit),
  ]
  if (!isSlower && !isFaster) return 'same'
  if (ratios.length < PROCESSES_TO_AGREE) return undefined
  return isSlower ? 'slower' : 'faster'
}

/** For people: what is slower first, then what is faster, then the rest as it came. */
export function table(found: readonly Found[]): string {
  const order: Verdict[] = ['slower', 'faster', 'new', 'same']
  const place = (each: Found): number => order.indexOf(verdictOf(each) ?? 'same')
  const rows = [...found].sort((a, b) => place(a) - place(b)).map(rowOf)
  const header = ['benchmark', 'one', 'ns', 'was', 'change', 'limit', 'processes', '']
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 2 || i === 7 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return [header, ...rows].map((cells) => `${line(cells).trimEnd()}\n`).join('')
}

function rowOf(found: Found): string[] {
  const { name, unit, ratios, ns, known } = found
  const now = [significantText(Math.min(...ns)), `${ratios.length}`]
  if (known === undefined) return [name, unit, now[0]!, '', '', '', now[1]!, 'new']
  const was = significantText(Math.min(...known.ns))
  const verdict = verdictOf(found)
  const said = verdict === 'slower' ? 'SLOWER' : verdict === 'faster' ? 'faster' : ''
  return [
    name,
    unit,
    now[0]!,
    was,
    percent(factorOf(ratios, known) - 1),
    `±${percent(limitOf(known)).slice(1)}`,
    now[1]!,
    said,
  ]
}

/** `1,230`, `12.3`: three significant digits, for figures of every size. */
export function significantText(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}

function percent(part: number): string {
  return `${part < 0 ? '−' : '+'}${Math.abs(part * 100).toFixed(0)} %`
}
