import type { Logger } from 'pino'
import { checkTransition, type Transitions } from '../../lifecycle/transition.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import { type Deferred, deferred } from '../../time/deferred.ts'
import { BrokerError, type BrokerStats } from '../broker.ts'
import type { RedisConnection } from '../redis/connection.ts'
import { idOf, payloadOf } from './entry.ts'
import { claim } from './scripts.ts'
import { nextGroup, Suspect } from './suspect.ts'
import { TrialNotes } from './trial-notes.ts'

const MAX_TRIAL_BYTES = 2 * 2 ** 20
/** A process that survives an entry for this long does not die of it. */
const BLAMED_MS = 2000
const RETRY_MS = 500

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
  /** The number of entries delivered and not acked. */
  readonly unackedCount: () => number
  /** @returns what the handler threw; '' when it took the entry, which is then unacked */
  readonly deliver: (partition: number, id: string, payload: Buffer) => string
  readonly onPoison: (payload: Buffer, id: string, deliveries: number, problem: string) => Promise<void>
  /** Called when `holdsBack` has changed. */
  readonly holdsBackChanged: () => void
}

type Mode = 'idle' | 'waiting' | 'clearing' | 'trying' | 'closed'

const TRANSITIONS: Transitions<Mode> = {
  idle: ['waiting', 'closed'],
  waiting: ['idle', 'clearing', 'closed'],
  clearing: ['idle', 'waiting', 'trying', 'closed'],
  trying: ['clearing', 'closed'],
  closed: [],
}

/**
 * Delivers suspects apart from all other entries, to find out which of them is poison (docs/decisions/0008).
 *
 * - `idle`: there is no suspect. Everything flows.
 * - `waiting`: no suspect may be tried now. Everything flows.
 * - `clearing`: no other entry is delivered, and the trial begins when all entries delivered before are acked.
 * - `trying`: a group of suspects is noted in Redis, then delivered. No other entry is.
 * - `closed`: nothing happens. Suspects stay in Redis, without a new note.
 *
 * | from              | to       | when                                                                           |
 * | ----------------- | -------- | ------------------------------------------------------------------------------ |
 * | idle              | waiting  | `add`                                                                          |
 * | waiting           | clearing | a suspect is due, the store answers, and the consumer is not paused            |
 * | clearing          | trying   | all entries delivered before are acked                                         |
 * | trying            | clearing | all entries of the trial are acked, or the store goes away, or Redis fails     |
 * | clearing          | waiting  | no suspect is due, or the store is away, or the consumer is paused             |
 * | waiting, clearing | idle     | no suspect is left                                                             |
 * | any               | closed   | `close`                                                                        |
 *
 * A convicted suspect becomes a dead letter before the next trial, in `waiting` and in `clearing`.
 *
 * A note that a process finds in Redis says that an earlier process died during that trial. The process takes its own
 * note back when it has survived for a while, when the store goes away, and at a stop: these are not the entry's fault.
 */
export class Trials {
  readonly #options: TrialOptions
  readonly #notes: TrialNotes
  readonly #bornAtMs = performance.now()
  /** Suspects that this consumer owns. A suspect that the handler took is among the unacked entries instead. */
  readonly #suspects = new Set<Suspect>()
  #mode: Mode = 'idle'
  #paused = false
  #storeAway = false
  /** Resolves at the next change from outside: then the loop looks again. */
  #change: Deferred<void> = deferred()
  #running: Promise<void> | undefined
  /** Takes the notes of the present trial back. */
  #takeNotesBack: () => void = () => {}

  constructor(options: TrialOptions) {
    this.#options = options
    this.#notes = new TrialNotes(options.commands, options.keys)
  }

  /** Whether only trials may deliver. */
  get holdsBack(): boolean {
    return this.#mode === 'clearing' || this.#mode === 'trying'
  }

  get count(): number {
    return this.#suspects.size
  }

  /** @param problem what the handler threw on it in this process; '' where it did not */
  add(partition: number, id: string, deliveries: number, problem: string): void {
    if (this.#mode === 'closed') return
    this.#suspects.add(new Suspect(partition, id, deliveries, problem))
    this.#running ??= this.#run()
    this.#changed()
  }

  idsOf(partition: number): string[] {
    return idsIn([...this.#suspects].filter((suspect) => suspect.partition === partition))
  }

  /** To be called when there are fewer unacked entries. */
  unackedFell(): void {
    this.#changed()
  }

  storeAway(isAway: boolean): void {
    this.#storeAway = isAway
    if (isAway) this.#takeNotesBack()
    this.#changed()
  }

  /** No trial begins while the consumer is paused. The present one goes on. */
  setPaused(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    this.#changed()
  }

  async close(): Promise<void> {
    this.#become('closed')
    this.#changed()
    await this.#running
  }

  async #run(): Promise<void> {
    this.#become('waiting')
    while (this.#mode !== 'closed' && this.#suspects.size > 0) {
      try {
        await this.#recallFailedTrials()
        await this.#step()
      } catch (error) {
        const { logger } = this.#options
        if (error instanceof BrokerError) logger.debug({ err: error }, 'suspect entries wait for Redis')
        else logger.error({ err: error }, 'the trial of suspect entries failed; the next attempt follows soon')
        await this.#pause(RETRY_MS)
      }
    }
    // In this order: entries that come when reading goes on may be suspects again.
    this.#running = undefined
    this.#become('idle')
  }

  /** Does the one thing that comes next, or waits until something changes. */
  async #step(): Promise<void> {
    const change = this.#change.promise
    const convicted = [...this.#suspects].find(({ state }) => state === 'convicted')
    const group = nextGroup(this.#suspects, (performance.now() - this.#bornAtMs) / this.#options.pauseMs)
    if (this.#storeAway || this.#paused || (convicted === undefined && group.length === 0)) {
      this.#become('waiting')
      return this.#pause(RETRY_MS)
    }
    if (convicted !== undefined) return this.#giveUp(convicted)
    this.#become('clearing')
    if (this.#options.unackedCount() > 0) return change
    this.#become('trying')
    try {
      await this.#try(group)
    } finally {
      this.#become('clearing')
    }
  }

  async #try(group: readonly Suspect[]): Promise<void> {
    const { throttle, unackedCount, deliver } = this.#options
    const claimed = await this.#claim(group)
    if (claimed.size === 0) return
    const { partition, failedTrials } = group[0]!
    const ids = idsIn([...claimed.keys()])
    const fields = { partition, entries: ids.length, first: ids[0], failedTrials }
    throttle.warn('trial', fields, 'entries that may be poison are delivered apart')
    await this.#notes.write(partition, ids, failedTrials + 1)
    const takeNotesBack = onceDone(() => this.#notes.write(partition, ids, failedTrials))
    if (this.#isInterrupted() || this.#paused) return takeNotesBack()

    this.#takeNotesBack = () => void takeNotesBack().catch(() => {})
    const survived = setTimeout(this.#takeNotesBack, BLAMED_MS).unref()
    for (const [suspect, payload] of claimed) {
      suspect.putOnTrial(() => deliver(partition, suspect.id, payload))
      if (suspect.problem === '') this.#suspects.delete(suspect)
    }
    while (!this.#isInterrupted() && unackedCount() > 0) await this.#change.promise
    clearTimeout(survived)
    this.#takeNotesBack = () => {}

    const how = unackedCount() > 0 ? 'interrupted' : 'acked'
    for (const suspect of claimed.keys()) suspect.endTrial(how, claimed.size === 1)
    if (how === 'interrupted') return takeNotesBack()
    await this.#noteOutcome(partition, [...claimed.keys()])
  }

  #isInterrupted(): boolean {
    return this.#mode === 'closed' || this.#storeAway
  }

  async #noteOutcome(partition: number, tried: readonly Suspect[]): Promise<void> {
    await this.#notes.write(partition, idsIn(tried.filter(({ state }) => state === 'gone')), 0)
    // A suspect that is convicted becomes a dead letter at once, and needs no note.
    const waiting = tried.filter(({ state }) => state === 'waiting')
    if (waiting.length > 0) await this.#notes.write(partition, idsIn(waiting), waiting[0]!.failedTrials)
  }

  /** Makes a dead letter of a convicted suspect. */
  async #giveUp(suspect: Suspect): Promise<void> {
    const { commands, keys, group, onPoison } = this.#options
    const { partition, id } = suspect
    const payload = (await this.#claim([suspect])).get(suspect)
    if (payload === undefined || this.#paused) return
    const problem = suspect.problem || 'the process died each time that this entry was delivered alone'
    try {
      await onPoison(payload, id, suspect.deliveries, problem)
    } catch {
      // Redis keeps the entry. It is found there again after the visibility time.
      this.#forget(suspect)
      return
    }
    await commands.send(`XACK ${keys[partition]!}`, (client) => client.xack(keys[partition]!, group, id))
    this.#forget(suspect)
    await this.#notes.write(partition, [id], 0)
  }

  /**
   * Claims suspects, which counts one more delivery for each. Suspects that this consumer no longer owns are dropped.
   */
  async #claim(suspects: readonly Suspect[]): Promise<Map<Suspect, Buffer>> {
    const { commands, keys, group, consumer, stats } = this.#options
    const key = keys[suspects[0]!.partition]!
    const options = { key, group, consumer, from: 'own', maxBytes: MAX_TRIAL_BYTES } as const
    const { looked, trimmed, entries } = await commands.send(`EVAL ${key}`, (client) =>
      claim(client, options, idsIn(suspects)),
    )
    stats.trimmedUnacked += trimmed
    const payloads = new Map(entries.map((entry) => [idOf(entry), payloadOf(entry)]))
    const claimed = new Map<Suspect, Buffer>()
    for (const suspect of suspects.slice(0, looked)) {
      suspect.deliveries++
      const payload = payloads.get(suspect.id)
      if (payload === undefined) this.#forget(suspect)
      else claimed.set(suspect, payload)
    }
    return claimed
  }

  /** Asks Redis how many trials new suspects have failed. */
  async #recallFailedTrials(): Promise<void> {
    for (const partition of this.#options.keys.keys()) {
      const added = [...this.#suspects].filter((each) => each.state === 'new' && each.partition === partition)
      if (added.length === 0) continue
      const noted = await this.#notes.read(partition, idsIn(added))
      for (const [i, suspect] of added.entries()) suspect.recall(noted[i]!)
    }
  }

  #forget(suspect: Suspect): void {
    suspect.leave()
    this.#suspects.delete(suspect)
  }

  /** The only place that changes the mode. `closed` is final: the rest of a trial that is under way changes nothing. */
  #become(next: Mode): void {
    const mode = this.#mode
    if (mode === next || mode === 'closed') return
    if (!checkTransition('trials', TRANSITIONS, mode, next)) return
    const heldBack = this.holdsBack
    this.#mode = next
    if (this.holdsBack !== heldBack) this.#options.holdsBackChanged()
  }

  #changed(): void {
    this.#change.resolve()
    this.#change = deferred()
  }

  /** Ends early when something changes. */
  async #pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    })
    await Promise.race([over, this.#change.promise])
    clearTimeout(timer)
  }
}

function idsIn(suspects: readonly Suspect[]): string[] {
  return suspects.map(({ id }) => id)
}

/** Does the act once. After a failure the next call tries again. */
function onceDone(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= act().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}
