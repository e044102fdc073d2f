import type { Logger } from 'pino'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import { type Deferred, deferred } from '../../time/deferred.ts'
import type { BrokerStats } from '../broker.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { idOf, payloadOf } from './entry.ts'
import { claim } from './scripts.ts'
import { TrialNotes } from './trial-notes.ts'

/** After so many deliveries without an ack an entry is a suspect. */
export const SUSPECT_AFTER = 5

/**
 * What becomes of a suspect, by the trials that it has failed: how many of its partition are tried together, and how long the process must
 * have lived before, in units of `pauseMs`.
 *
 * Most suspects are healthy, and had a neighbour that kills the process, or a process that was restarted too often: one by one, 50,000 of
 * them would hold up everything for half an hour. So the culprit is looked for among fewer and fewer, and only the trials of one alone
 * convict it. The waits before those keep what ends processes anyway from being taken for it. Where that comes by chance, it hits a trial of 2 s after
 * a wait of 30 s in one life of 40 at most, and all three in one of 500,000; where it comes after a fixed time, it fits one of the waits, and no other.
 */
const STAGES = [
  { together: 1000, after: 0 },
  { together: 32, after: 1 },
  { together: 1, after: 30 },
  { together: 1, after: 60 },
  { together: 1, after: 120 },
] as const
/** Failed trials of an entry that will be tried alone. */
const ALONE = 2
const CONVICTED = STAGES.length
const MAX_TRIAL_BYTES = 2 * 2 ** 20
/** A process that has lived for so long with an entry does not die of it. */
const BLAMED_MS = 2000
const RETRY_MS = 500

export interface Suspect {
  readonly partition: number
  readonly id: string
  /** Up to now. */
  deliveries: number
  /** Trials that it has failed; undefined until Redis has been asked. */
  failures: number | undefined
  /** What the handler threw on it in this process; '' where it did not. */
  problem: string
}

export interface TrialOptions {
  readonly keys: readonly string[]
  readonly group: string
  readonly consumer: string
  readonly commands: RedisConnection
  readonly stats: BrokerStats
  readonly logger: Logger
  readonly throttle: LogThrottle
  /** The unit of the waits before trials: 1 s, but for tests. */
  readonly pauseMs: number
  /** Entries delivered and not acked. */
  readonly unackedCount: () => number
  /** @returns what the handler threw; '' when it took the entry */
  readonly deliver: (partition: number, id: string, payload: Buffer) => string
  readonly onPoison: (payload: Buffer, id: string, deliveries: number, problem: string) => Promise<void>
  /** `holdsBack` has changed. */
  readonly changed: () => void
}

/**
 * Delivers entries that may be poison, away from all others. It waits until nothing else is held, notes the trial in Redis, delivers, and lets
 * nothing else through until all of the trial is acked. Who finds a note where the process died in between knows what it died of.
 *
 * What ends processes anyway (a restart loop, no memory) must not convict a healthy entry that was on trial just then. Therefore an entry that
 * has failed is tried again only when this process has lived for a while, longer each time, with everything else going on: a process that dies
 * anyway dies before. And the note is taken back when the process has survived for a while, when the store goes away, and at a stop.
 */
export class Trials {
  readonly #options: TrialOptions
  readonly #notes: TrialNotes
  readonly #bornAtMs = performance.now()
  /** Those that are held and not among the unacked. */
  readonly #suspects = new Set<Suspect>()
  #holdsBack = false
  #mayTry = true
  #storeAway = false
  #closed = false
  #something: Deferred<void> = deferred()
  #running: Promise<void> | undefined
  /** Takes the notes of the trial under way back. */
  #acquit: () => void = () => {}

  constructor(options: TrialOptions) {
    this.#options = options
    this.#notes = new TrialNotes(options.commands, options.keys)
  }

  /** Whether nothing but a trial may be delivered. */
  get holdsBack(): boolean {
    return this.#holdsBack
  }

  get count(): number {
    return this.#suspects.size
  }

  /** Takes care of an entry that is the consumer's. */
  add(suspect: Suspect): void {
    if (this.#closed) return
    this.#suspects.add(suspect)
    this.#running ??= this.#run()
    this.wake()
  }

  idsOf(partition: number): string[] {
    return Array.from(this.#suspects)
      .filter((suspect) => suspect.partition === partition)
      .map(({ id }) => id)
  }

  /** To be called when there are fewer unacked entries. */
  wake(): void {
    this.#something.resolve()
    this.#something = deferred()
  }

  storeAway(isAway: boolean): void {
    this.#storeAway = isAway
    if (isAway) this.#acquit()
    this.wake()
  }

  /** No trial begins while the consumer wants nothing. */
  mayTry(may: boolean): void {
    if (may === this.#mayTry) return
    this.#mayTry = may
    this.wake()
  }

  /** What waits stays in Redis, with nothing noted against it. */
  async close(): Promise<void> {
    this.#closed = true
    this.wake()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#suspects.size > 0) {
      try {
        await this.#recall()
        await this.#next()
      } catch (error) {
        this.#options.logger.debug({ err: error }, 'suspect entries could not be tried, next attempt soon')
        await this.#pause(RETRY_MS)
      }
    }
    // In this order: what comes when reading goes on may be a suspect again.
    this.#running = undefined
    this.#holdBack(false)
  }

  /** Does the next thing there is to do, or waits for what hinders it. */
  async #next(): Promise<void> {
    const something = this.#something.promise
    const convicted = Array.from(this.#suspects).find(({ failures }) => failures === CONVICTED)
    const group = this.#chooseGroup()
    if (this.#storeAway || !this.#mayTry || (convicted === undefined && group.length === 0)) {
      this.#holdBack(false)
      return this.#pause(RETRY_MS)
    }
    if (convicted !== undefined) return this.#giveUp(convicted)
    this.#holdBack(true)
    if (this.#options.unackedCount() > 0) return something
    await this.#try(group)
  }

  /** Those that have failed least of all whose time has come, as many of a partition as may be tried together. */
  #chooseGroup(): Suspect[] {
    const livedMs = performance.now() - this.#bornAtMs
    const due = Array.from(this.#suspects).filter(({ failures = CONVICTED, problem }) => {
      if (failures === CONVICTED) return false
      // What the handler threw tells by itself whose fault it was.
      return problem !== '' || livedMs >= STAGES[failures]!.after * this.#options.pauseMs
    })
    const fewest = due.reduce((least, { failures }) => Math.min(least, failures!), Infinity)
    const first = due.find(({ failures }) => failures === fewest)
    if (first === undefined) return []
    return due
      .filter(({ failures, partition }) => failures === fewest && partition === first.partition)
      .slice(0, STAGES[fewest]!.together)
  }

  async #try(group: readonly Suspect[]): Promise<void> {
    const claimed = await this.#claim(group)
    if (claimed.size === 0) return
    const { partition, failures } = group[0]!
    const ids = Array.from(claimed.keys(), ({ id }) => id)
    const fields = { partition, entries: ids.length, first: ids[0], failures }
    this.#options.throttle.warn('trial', fields, 'entries that may be poison are delivered apart')
    await this.#notes.write(partition, ids, failures! + 1)
    const acquit = once(() => this.#notes.write(partition, ids, failures!))
    if (this.#closed || this.#storeAway || !this.#mayTry) return acquit()

    this.#acquit = () => void acquit().catch(() => {})
    const survived = setTimeout(this.#acquit, BLAMED_MS).unref()
    for (const [suspect, payload] of claimed) {
      suspect.problem = this.#options.deliver(partition, suspect.id, payload)
      if (suspect.problem === '') this.#suspects.delete(suspect)
    }
    while (!this.#closed && !this.#storeAway && this.#options.unackedCount() > 0) await this.#something.promise
    clearTimeout(survived)
    this.#acquit = () => {}
    if (this.#options.unackedCount() > 0) return acquit()
    await this.#judge(claimed)
  }

  /** All of a trial are acked, but for those on which the handler threw. One that was alone is then poison; the others will be alone. */
  async #judge(tried: ReadonlyMap<Suspect, Buffer>): Promise<void> {
    const thrown = Array.from(tried.keys()).filter(({ problem }) => problem !== '')
    for (const suspect of thrown) suspect.failures = tried.size === 1 ? CONVICTED : ALONE
    const { partition } = tried.keys().next().value!
    const passed = Array.from(tried.keys()).filter(({ problem }) => problem === '')
    await this.#notes.write(partition, idsIn(passed), 0)
    if (tried.size > 1) await this.#notes.write(partition, idsIn(thrown), ALONE)
  }

  async #giveUp(suspect: Suspect): Promise<void> {
    const { commands, keys, group, onPoison } = this.#options
    const { partition, id } = suspect
    const payload = (await this.#claim([suspect])).get(suspect)
    if (payload === undefined || !this.#mayTry) return
    const problem = suspect.problem || 'the process died each time that it was delivered alone'
    try {
      await onPoison(payload, id, suspect.deliveries, problem)
    } catch {
      // Nobody has it but Redis, where it is found again after the visibility time.
      this.#suspects.delete(suspect)
      return
    }
    await commands.send((client) => client.xack(keys[partition]!, group, id))
    this.#suspects.delete(suspect)
    await this.#notes.write(partition, [id], 0)
  }

  /** One delivery more for each. Of those that are another's now, or nobody's, it lets go. */
  async #claim(suspects: readonly Suspect[]): Promise<Map<Suspect, Buffer>> {
    const { commands, keys, group, consumer, stats } = this.#options
    const key = keys[suspects[0]!.partition]!
    const options = { key, group, consumer, from: 'own', maxBytes: MAX_TRIAL_BYTES } as const
    const { looked, trimmed, entries } = await commands.send((client) => claim(client, options, idsIn(suspects)))
    stats.trimmedUnacked += trimmed
    const payloads = new Map(entries.map((entry) => [idOf(entry), payloadOf(entry)]))
    const claimed = new Map<Suspect, Buffer>()
    for (const suspect of suspects.slice(0, looked)) {
      const payload = payloads.get(suspect.id)
      if (payload === undefined) this.#suspects.delete(suspect)
      else claimed.set(suspect, payload)
      suspect.deliveries++
    }
    return claimed
  }

  /** Asks Redis how many trials the new ones have failed. */
  async #recall(): Promise<void> {
    for (const partition of this.#options.keys.keys()) {
      const unknown = [...this.#suspects].filter((each) => each.failures === undefined && each.partition === partition)
      if (unknown.length === 0) continue
      const failures = await this.#notes.read(partition, idsIn(unknown))
      for (const [i, suspect] of unknown.entries()) {
        suspect.failures = Math.max(Math.min(failures[i]!, CONVICTED), suspect.problem === '' ? 0 : ALONE)
      }
    }
  }

  #holdBack(holdsBack: boolean): void {
    if (holdsBack === this.#holdsBack) return
    this.#holdsBack = holdsBack
    this.#options.changed()
  }

  /** Ends early when something happens. */
  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([over, this.#something.promise])
    clearTimeout(timer)
  }
}

function idsIn(suspects: readonly Suspect[]): string[] {
  return suspects.map(({ id }) => id)
}

/** Does it once; where that fails, the next call tries again. */
function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= act().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}
