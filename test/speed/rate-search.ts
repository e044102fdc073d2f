export interface RateSearch {
  /** Where to begin, a second. */
  readonly from: number
  /** Nothing above it is tried. */
  readonly most: number
  /** Plays a rate for a short time, or for the whole. @returns why it does not hold; '' when it does */
  readonly problemAt: (rate: number, length: 'short' | 'whole') => Promise<string>
}

export interface FoundRate {
  /** 0: none held. */
  readonly rate: number
  /** Why the next one does not hold; '' when the search ended at the most. */
  readonly limit: string
}

/** Steps from the first rate up, until one does not hold for short, or down, until one does. */
const STRIDE_UP = 1.4
const STRIDE_DOWN = 0.75
/** Steps down from there to a rate that holds for long. */
const LONG_STRIDE_DOWN = 0.85
/** How near below a rate that does not hold the search comes. Two runs differ by more. */
const RESOLUTION = 0.08
const LEAST_SHARE = 0.05

/**
 * The highest rate that holds for the whole length, to 8 %. Short tries say about where it is; tries of the whole length find it: a queue that
 * grows by 1 % a second is seen only in the long run.
 */
export async function highestRate({ from, most, problemAt }: RateSearch): Promise<FoundRate> {
  let holds = 0
  let fails = Infinity
  let limit = ''
  const note = (rate: number, problem: string): void => {
    if (problem === '') holds = rate
    else {
      fails = rate
      limit = problem
    }
  }
  // One hiccup of the machine is no limit of the program.
  const tryShort = async (rate: number): Promise<void> =>
    note(rate, (await problemAt(rate, 'short')) && (await problemAt(rate, 'short')))

  await tryShort(Math.min(from, most))
  while (fails === Infinity && holds < most) await tryShort(Math.min(holds * STRIDE_UP, most))
  while (holds === 0 && fails > from * LEAST_SHARE) await tryShort(fails * STRIDE_DOWN)

  let rate = holds
  holds = 0
  while (rate > from * LEAST_SHARE) {
    note(rate, await problemAt(rate, 'whole'))
    if (holds === 0) rate *= LONG_STRIDE_DOWN
    else if (fails !== Infinity && fails - holds > fails * RESOLUTION) rate = (holds + fails) / 2
    else break
  }
  return { rate: holds, limit }
}
