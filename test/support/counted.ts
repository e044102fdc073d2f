/** The work of a micro-benchmark, and its operation. The result is in nanoseconds an operation. */
export interface Counted {
  (): Promise<void>
  readonly operations: number
  /** One operation: a message, a sample, a line. */
  readonly unit: string
}

/**
 * For `bench`: calls `run`, and throws unless `run` returns `operations`, the number of operations that it completed.
 * So no benchmark measures how fast something is refused, and the compiler cannot remove work whose result is unused.
 *
 * `npm run bench` compares only these benchmarks with their stored results.
 */
export function counted(operations: number, unit: string, run: () => number | Promise<number>): Counted {
  const checked = async (): Promise<void> => {
    const done = await run()
    if (done !== operations) throw new Error(`${done} operations were done, not ${operations}`)
  }
  return Object.assign(checked, { operations, unit })
}
