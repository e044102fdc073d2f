import { encodeSnapshot } from '../../fabric/encode-snapshot.ts'
import { generationId, type SnapshotSink, type TargetHead } from '../../fabric/generation.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import type { Clock } from '../../time/clock.ts'
import { Generations, type NewSnapshot, type SnapshotOwner } from '../fabric/generations.ts'
import type { PortSnapshot } from './port-tables.ts'

export interface ShownPortsOptions {
  readonly target: string
  /** Names this target of this agent among those that announce ports. */
  readonly publisher: string
  readonly snapshots: SnapshotSink
  readonly clock: Clock
  readonly throttle: LogThrottle
}

/** What is announced of one question to the target. */
export interface Asked {
  readonly intervalMs: number
  readonly fetchMs: number
  readonly parseMs: number
}

/** What is announced of an answer that was taken. */
export interface Answered extends Asked {
  readonly atUs: number
  readonly badLines: number
}

/**
 * The ports of a scraped target, as an API shows them: a generation of each fabric that it has ports of. The target is a
 * publisher of its own, because each target has its own interval.
 *
 * The caller promises to call one method after the other.
 */
export class ShownPorts {
  readonly #options: ShownPortsOptions
  readonly #fabrics = new Map<string, ShownFabric>()
  /** Whether it is known what an earlier process announced. */
  #isTakenOver = false

  constructor(options: ShownPortsOptions) {
    this.#options = options
  }

  /**
   * Takes the ports of a good answer. A fabric of which it has none any more is given up. Where it has none at all, the
   * last ones stay, as those of a table without rows do.
   *
   * @param problem why not all ports are there, for people; '' where they are
   */
  async show(found: readonly PortSnapshot[], answered: Answered, problem: string): Promise<void> {
    if (found.length === 0) {
      if (this.#fabrics.size > 0) await this.stay(answered, problem || 'its answer has no ports')
      return
    }
    this.#isTakenOver = true
    for (const { fabric, snapshot } of found) {
      const shown = this.#fabrics.get(fabric) ?? this.#open(fabric)
      const fresh = shown.take(snapshot, answered)
      await shown.generations.announce(fresh === undefined ? [] : [fresh], answered, answered.intervalMs)
    }
    for (const [fabric, shown] of this.#fabrics) {
      if (found.some((one) => one.fabric === fabric)) continue
      await shown.generations.leave()
      this.#fabrics.delete(fabric)
    }
  }

  /**
   * What is shown stays, with its age: there is nothing new, or nothing good.
   *
   * @param error why it is not good, for people
   * @param fabric whose ports an earlier process may have announced; undefined where nobody says that the target has ports
   */
  async stay(asked: Asked, error?: string, fabric?: string): Promise<void> {
    if (fabric !== undefined && !this.#isTakenOver) await this.#takeOver(fabric)
    for (const shown of this.#fabrics.values()) {
      shown.say(error)
      await shown.generations.announce([], asked, asked.intervalMs)
    }
  }

  /** Nobody asks the target any more: its rows go. */
  async leave(): Promise<void> {
    for (const { generations } of this.#fabrics.values()) await generations.leave()
    this.#fabrics.clear()
  }

  #open(fabric: string): ShownFabric {
    const shown = new ShownFabric(fabric, this.#options)
    this.#fabrics.set(fabric, shown)
    return shown
  }

  /**
   * So a target that is down after a restart of the agent keeps its last values. Not of every target: an agent that scrapes
   * no ports needs no right to read snapshots.
   */
  async #takeOver(fabric: string): Promise<void> {
    const { snapshots, publisher, target, throttle } = this.#options
    try {
      const newest = await snapshots.newest(fabric, publisher)
      this.#isTakenOver = true
      const head = newest?.targets.find((one) => one.target === target)
      if (head !== undefined) this.#open(fabric).takeOver(head)
    } catch (err) {
      const words = 'what was announced before the start could not be read: the next question tries again'
      throttle.warn(`ports of ${target} before`, { err, target, fabric }, words)
    }
  }
}

/** The ports of the target in one fabric. */
class ShownFabric implements SnapshotOwner {
  readonly name: string
  readonly generations: Generations
  #head: TargetHead | undefined
  /** The newest snapshot, encoded. */
  #bytes: Buffer | undefined
  /** The memory where that is, and where the next one is written. */
  #room: Buffer | undefined
  #spare: Buffer | undefined

  constructor(fabric: string, options: ShownPortsOptions) {
    this.name = options.target
    this.generations = new Generations({ ...options, fabric, targets: [this] })
  }

  get head(): TargetHead | undefined {
    return this.#head
  }

  /**
   * @returns undefined where all is the same as before, times too: the target has measured nothing since then. As another
   *   snapshot it would say that no counter has moved.
   */
  take(table: PortSnapshot['snapshot'], { atUs, badLines: badRows }: Answered): NewSnapshot | undefined {
    const bytes = encodeSnapshot(table, this.#spare)
    const room = bytes.buffer === this.#spare?.buffer ? this.#spare : bytes
    if (this.#head !== undefined && this.#bytes?.equals(bytes) === true) {
      this.#spare = room
      this.say(undefined)
      return undefined
    }
    this.#spare = this.#room
    this.#room = room
    this.#bytes = bytes
    const snapshot = generationId(atUs)
    const { rows } = table
    this.#head = { target: this.name, snapshot, bytes: bytes.length, takenAtUs: atUs, rows, badRows, up: true }
    return { owner: this, snapshot, bytes }
  }

  takeOver(head: TargetHead): void {
    this.#head = head
    this.generations.renew()
  }

  /** Says whether the last answer was good, and why not. */
  say(error: string | undefined): void {
    if (this.#head === undefined) return
    const { error: _, ...head } = this.#head
    this.#head = { ...head, up: error === undefined, ...(error === undefined ? {} : { error }) }
  }

  encodeAgain(): Buffer | undefined {
    return this.#bytes
  }

  forget(): void {
    this.#head = undefined
  }
}
