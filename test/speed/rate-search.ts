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

/** Steps from the first rate up, until one does not hold, or down, until one does. */
const STRIDE_UP = 1.4
const STRIDE_DOWN = 0.75
/** How near below a rate that does not hold the search comes. Two runs differ by more. */
const RESOLUTION = 0.05
const LEAST_SHARE = 0.05

/**
 * The highest rate that holds, to 5 %. Short tries find about where it is; a try of the whole length decides, and steps down where it fails: a
 * queue that grows by 1 % a second is seen only in the long run.
 */
export async function highestRate({ from, most, problemAt }: RateSearch): Promise<FoundRate> {
  let holds = 0
  let fails = Infinity
  let limit = ''
  const tryShort = async (rate: number): Promise<boolean> => {
    // One hiccup of the machine is no limit of the program.
    const problem = (await problemAt(rate, 'short')) && (await problemAt(rate, 'short'))
    if (problem === '') holds = rate
    else {
      fails = rate
      limit = problem
    }
    return problem === ''
  }

  let rate = Math.min(from, most)
  if (await tryShort(rate)) {
    while (fails === Infinity && holds < most) await tryShort(Math.min(holds * STRIDE_UP, most))
  } else {
    while (holds === 0 && fails > from * LEAST_SHARE) await tryShort(fails * STRIDE_DOWN)
  }
  while (holds > 0 && fails - holds > fails * RESOLUTION && fails !== Infinity) await tryShort((holds + fails) / 2)

  for (rate = holds; rate > from * LEAST_SHARE; rate *= 1 - RESOLUTION) {
    const problem = await problemAt(rate, 'whole')
    if (problem === '') return { rate, limit }
    limit = problem
  }
  return { rate: 0, limit }
}
