/** So many values are shown, one a second: two minutes. */
export const TRACE_LENGTH = 120

/** The last values of a figure; null where it was not known, which is a gap in its line. */
export class Trace {
  readonly #values: (number | null)[] = []

  push(value: number | null): void {
    this.#values.push(value)
    if (this.#values.length > TRACE_LENGTH) this.#values.shift()
  }

  /** @returns the `d` of a path within a box whose left end is two minutes ago */
  path(width: number, height: number): string {
    return pathOf(this.#values, width, height)
  }
}

/** A line from 0 at the bottom to the largest value at the top, the newest value at the right. What is 0 all the time lies at the bottom. */
export function pathOf(values: readonly (number | null)[], width: number, height: number): string {
  const most = Math.max(1, ...values.map((value) => value ?? 0))
  const step = width / (TRACE_LENGTH - 1)
  const parts: string[] = []
  let isBegun = false
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isBegun = false
      continue
    }
    const x = width - (values.length - 1 - index) * step
    const y = height - 1 - (value / most) * (height - 2)
    const isAlone = !isBegun && (values[index + 1] ?? null) === null
    // A value alone is a point: a line of no length, with round ends.
    parts.push(`${isBegun ? 'L' : 'M'}${round(x)} ${round(y)}${isAlone ? 'h0' : ''}`)
    isBegun = true
  }
  return parts.join('')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
