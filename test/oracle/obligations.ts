import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { IDS_A_LIFE } from './samples.ts'

/**
 * A sample that an agent has kept for this long is on its disk. The agent writes within milliseconds; the rest is a
 * margin for a busy machine. When an agent is killed, it does not owe younger samples.
 */
const KEPT_IS_OWED_AFTER_MS = 1000

/**
 * Notes in a file what one run of a publisher does. The operating system has each note when the call returns, so `kill
 * -9` loses none.
 */
export class ObligationLog {
  readonly #file: number

  constructor(path: string, life: number, baseUs: number, spacingUs: number) {
    this.#file = openSync(path, 'a')
    this.#note('begins', life, baseUs, spacingUs)
  }

  /** Called before the samples are handed to the publisher. */
  issued(firstId: number, count: number): void {
    this.#note('issued', firstId, count)
  }

  /** A server was listening (pubsub), or the stream has the message. */
  taken(firstId: number, count: number): void {
    this.#note('taken', firstId, count, Date.now())
  }

  /** No server took the message: the publisher keeps it. */
  kept(firstId: number, count: number): void {
    this.#note('kept', firstId, count, Date.now())
  }

  close(): void {
    closeSync(this.#file)
  }

  #note(...words: Array<string | number>): void {
    writeSync(this.#file, `${words.join(' ')}\n`)
  }
}

/** One run of a publisher, as its notes tell it. */
export interface Life {
  readonly life: number
  readonly source: string
  /** The sample with the n-th id has the time `baseUs + n * spacingUs`. */
  readonly baseUs: number
  readonly spacingUs: number
  issued: number
}

/** All samples that the publishers of a row issued, and which of them are owed. */
export class Obligations {
  readonly lives = new Map<number, Life>()
  readonly #takenAtMs = new Map<number, number>()
  readonly #keptAtMs = new Map<number, number>()
  /** When each run was killed. A run that was not killed owes everything that it issued. */
  readonly #killedAtMs: ReadonlyMap<number, number>
  /** Samples that Redis took at such a time are not owed: its configuration allows it to forget them. */
  readonly #isForgiven: (takenAtMs: number) => boolean

  constructor(
    logs: ReadonlyArray<{ readonly source: string; readonly path: string }>,
    killedAtMs: ReadonlyMap<number, number>,
    isForgiven: (takenAtMs: number) => boolean,
  ) {
    this.#killedAtMs = killedAtMs
    this.#isForgiven = isForgiven
    for (const { source, path } of logs) if (existsSync(path)) this.#read(source, readFileSync(path, 'latin1'))
  }

  /** Every id that was ever issued. */
  *issued(): IterableIterator<number> {
    for (const { life, issued } of this.lives.values()) {
      for (let n = 0; n < issued; n++) yield life * IDS_A_LIFE + n
    }
  }

  /** Whether a sample is owed: Redis has taken it, a publisher has it on disk, or its publisher ended normally. */
  owes(id: number): boolean {
    const takenAtMs = this.#takenAtMs.get(id)
    if (takenAtMs !== undefined) return !this.#isForgiven(takenAtMs)
    const killedAtMs = this.#killedAtMs.get(Math.floor(id / IDS_A_LIFE))
    if (killedAtMs === undefined) return true
    const keptAtMs = this.#keptAtMs.get(id)
    return keptAtMs !== undefined && keptAtMs + KEPT_IS_OWED_AFTER_MS <= killedAtMs
  }

  /** The run that issued an id; undefined if none did. */
  lifeOf(id: number): Life | undefined {
    const life = this.lives.get(Math.floor(id / IDS_A_LIFE))
    return life !== undefined && id % IDS_A_LIFE < life.issued ? life : undefined
  }

  #read(source: string, text: string): void {
    let current: Life | undefined
    for (const line of text.split('\n')) {
      const [what, ...numbers] = line.split(' ')
      const [a = 0, b = 0, c = 0] = numbers.map(Number)
      if (what === 'begins') {
        current = { life: a, source, baseUs: b, spacingUs: c, issued: 0 }
        this.lives.set(a, current)
      } else if (what === 'issued' && current !== undefined) {
        current.issued = (a % IDS_A_LIFE) + b
      } else if (what === 'taken' || what === 'kept') {
        const times = what === 'taken' ? this.#takenAtMs : this.#keptAtMs
        for (let id = a; id < a + b; id++) if (!times.has(id)) times.set(id, c)
      }
    }
  }
}
