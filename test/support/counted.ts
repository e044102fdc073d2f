/** The work of a micro-benchmark, and what one operation of it is: a figure is nanoseconds an operation. */
export interface Counted {
  (): Promise<void>
  readonly operations: number
  /** One operation: a message, a sample, a line. */
  readonly unit: string
}

/**
 * For `bench`: calls `run`, which gives back how many operations it has seen the end of, and throws when they are not `operations`. So no
 * benchmark measures how fast something is refused, and no compiler can leave out work whose result nobody reads.
 *
 * Benchmarks of work that is counted so are those that `npm run bench` compares with what they took before.
 */
export function counted(operations: number, unit: string, run: () => number | Promise<number>): Counted {
  const checked = async (): Promise<void> => {
    const done = await run()
    if (done !== operations) throw new Error(`${done} operations were done, not ${operations}`)
  }
  return Object.assign(checked, { operations, unit })
}
