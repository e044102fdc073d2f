import { median } from './median.ts'

/** A benchmark as it was when the baseline was stored. */
export interface Known {
  readonly name: string
  readonly unit: string
  /** What each process found: time of an operation in calibrations, and in ns of CPU. */
  readonly ratios: readonly number[]
  readonly ns: readonly number[]
}

/** A benchmark now. */
export interface Found extends Known {
  /** Undefined: it is new. */
  readonly known: Known | undefined
}

export type Verdict = 'same' | 'slower' | 'faster' | 'new'

/**
 * Smaller changes are not spoken of: two processes of one program differ by so much, because memory lies elsewhere and the compiler takes
 * its decisions at other moments.
 */
const LEAST_LIMIT = 0.1

/**
 * How many processes must say that a benchmark has changed. One in ten of a program that has not changed is beyond the limit; they do not
 * agree, and those that look changed are asked again only after all others, when the machine is in another mood.
 */
export const PROCESSES_TO_AGREE = 5

/** The change that is too much, as a part of what it was: as far as the baseline's slowest process was from its median, or more. */
export function limitOf({ ratios }: Pick<Known, 'ratios'>): number {
  return Math.max(LEAST_LIMIT, Math.max(...ratios) / median(ratios) - 1)
}

/** What it takes now as a part of what it took. */
export function factorOf(ratios: readonly number[], known: Pick<Known, 'ratios'>): number {
  return median(ratios) / median(known.ratios)
}

/** The last word on a benchmark as soon as one process finds it the same, or enough of them agree that it is not; until then undefined. */
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
  const now = [nsText(median(ns)), `${ratios.length}`]
  if (known === undefined) return [name, unit, now[0]!, '', '', '', now[1]!, 'new']
  const was = nsText(median(known.ns))
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

function nsText(ns: number): string {
  return ns.toLocaleString('en', { maximumSignificantDigits: 3 })
}

function percent(part: number): string {
  return `${part < 0 ? '−' : '+'}${Math.abs(part * 100).toFixed(0)} %`
}
