import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'

/** After this many deliveries without an ack an entry is a suspect. */
export const SUSPECT_AFTER = 5

/**
 * The trials of a suspect, by the number of trials that it has failed. `together` is how many suspects of a partition
 * are tried at once. `after` is how long the process must have lived before, in units of the trial pause (1 s).
 *
 * Most suspects are healthy: a neighbour killed the process, or the process was restarted too often. Trying 50,000 of
 * them one by one would hold up everything for half an hour. So the first trials narrow the search, and only trials
 * alone convict.
 *
 * The waits before the trials alone keep other deaths of the process from convicting a healthy entry. A death by chance
 * hits a trial of 2 s after a wait of 30 s in one life of 40 at most, and all three trials in one of 500,000. A death
 * at a fixed age fits one of the waits only.
 */
const STAGES = [
  { together: 1000, after: 0 },
  { together: 32, after: 1 },
  { together: 1, after: 30 },
  { together: 1, after: 60 },
  { together: 1, after: 120 },
] as const
/** So many failed trials bring a suspect to the trials alone. */
const ALONE = 2
/** So many failed trials convict it. */
const CONVICTED = STAGES.length

type State = 'new' | 'waiting' | 'on trial' | 'convicted' | 'gone'

const TRANSITIONS: Transitions<State> = {
  new: ['waiting', 'convicted'],
  waiting: ['on trial', 'gone'],
  'on trial': ['waiting', 'convicted', 'gone'],
  convicted: ['gone'],
  gone: [],
}

/**
 * An entry that may be poison. `Trials` moves it from state to state. When a process dies during a trial, its note
 * stays in Redis: the next process recalls one failed trial more.
 *
 * | from      | to        | when                                                                                   |
 * | --------- | --------- | -------------------------------------------------------------------------------------- |
 * | new       | waiting   | `recall`: Redis' notes say how many trials it has failed                               |
 * | new       | convicted | `recall`: it has failed the last trial                                                 |
 * | waiting   | on trial  | `putOnTrial`: it is due, and nothing else is unacked                                   |
 * | waiting   | gone      | `leave`: the consumer no longer owns the entry                                         |
 * | on trial  | gone      | `endTrial`: the handler took the entry, which is acked now, or unacked like any other  |
 * | on trial  | waiting   | `endTrial`: the handler threw, and the trial had company or was interrupted            |
 * | on trial  | convicted | `endTrial`: the handler threw, and the suspect was alone                               |
 * | convicted | gone      | `leave`: it is a dead letter, or stays in Redis because no dead letter could be kept   |
 */
export class Suspect {
  readonly partition: number
  readonly id: string
  /** How often it was delivered so far. */
  deliveries: number
  #state: State = 'new'
  #failedTrials = 0
  #problem: string

  /** @param problem what the handler threw on it in this process; '' where it did not */
  constructor(partition: number, id: string, deliveries: number, problem: string) {
    this.partition = partition
    this.id = id
    this.deliveries = deliveries
    this.#problem = problem
  }

  get state(): State {
    return this.#state
  }

  get failedTrials(): number {
    return this.#failedTrials
  }

  /** What the handler threw on it in this process; '' where it did not. */
  get problem(): string {
    return this.#problem
  }

  /** @param noted the failed trials that Redis has noted, by this process and earlier ones */
  recall(noted: number): void {
    const atLeast = this.#problem === '' ? 0 : ALONE
    this.#failedTrials = Math.max(Math.min(noted, CONVICTED), atLeast)
    this.#become(this.#failedTrials === CONVICTED ? 'convicted' : 'waiting')
  }

  /**
   * Whether it may be tried. An error of the handler tells by itself which entry is to blame, so such a suspect need
   * not wait.
   *
   * @param lived how long the process has lived, in units of the trial pause
   */
  isDue(lived: number): boolean {
    return this.#state === 'waiting' && (this.#problem !== '' || lived >= STAGES[this.#failedTrials]!.after)
  }

  /** @param deliver returns what the handler threw; '' when it took the entry */
  putOnTrial(deliver: () => string): void {
    this.#become('on trial')
    this.#problem = deliver()
  }

  /**
   * @param how `acked`: all that the handlers took is acked. `interrupted`: the trial ended before, and proves nothing.
   */
  endTrial(how: 'acked' | 'interrupted', wasAlone: boolean): void {
    if (this.#problem === '') this.#become('gone')
    else if (how === 'interrupted') this.#become('waiting')
    else {
      this.#failedTrials = wasAlone ? CONVICTED : ALONE
      this.#become(wasAlone ? 'convicted' : 'waiting')
    }
  }

  leave(): void {
    this.#become('gone')
  }

  #become(next: State): void {
    if (checkTransition('a suspect', TRANSITIONS, this.#state, next)) this.#state = next
  }
}

/**
 * The suspects to try next: of those that are due, the ones with the fewest failed trials, as many of one partition as
 * its stage allows.
 */
export function nextGroup(suspects: Iterable<Suspect>, lived: number): Suspect[] {
  const due = Array.from(suspects).filter((suspect) => suspect.isDue(lived))
  const fewest = due.reduce((least, { failedTrials }) => Math.min(least, failedTrials), Infinity)
  const first = due.find(({ failedTrials }) => failedTrials === fewest)
  if (first === undefined) return []
  return due
    .filter(({ failedTrials, partition }) => failedTrials === fewest && partition === first.partition)
    .slice(0, STAGES[fewest]!.together)
}
