import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { IDS_A_LIFE } from './samples.ts'

/**
 * What an agent has kept for so long is on its disk: it writes within milliseconds, and the rest is for a machine that is busy. What is younger
 * when it is killed is owed by nobody.
 */
const KEPT_IS_OWED_AFTER_MS = 1000

/** Notes what one life of a publisher does, in a file: each note is with the operating system when the call returns, so `kill -9` takes none. */
export class ObligationLog {
  readonly #file: number

  constructor(path: string, life: number, baseUs: number, spacingUs: number) {
    this.#file = openSync(path, 'a')
    this.#note('begins', life, baseUs, spacingUs)
  }

  /** Before the samples are handed to the publisher. */
  issued(firstId: number, count: number): void {
    this.#note('issued', firstId, count)
  }

  /** A server was listening, or the stream has it. */
  taken(firstId: number, count: number): void {
    this.#note('taken', firstId, count, Date.now())
  }

  /** Nobody took it: the publisher keeps it. */
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

/** One life of a publisher, as its notes tell it. */
export interface Life {
  readonly life: number
  readonly source: string
  /** The sample of the n-th id is of the time `baseUs + n * spacingUs`. */
  readonly baseUs: number
  readonly spacingUs: number
  issued: number
}

/** All that the publishers of a row issued, and what of it is owed. */
export class Obligations {
  readonly lives = new Map<number, Life>()
  readonly #takenAtMs = new Map<number, number>()
  readonly #keptAtMs = new Map<number, number>()
  /** By life: when it was killed without warning. Others owe all that they issued. */
  readonly #killedAtMs: ReadonlyMap<number, number>
  /** Of what was taken in these times nothing is owed: the engine says that it may forget them. */
  readonly #forgiven: ReadonlyArray<readonly [fromMs: number, toMs: number]>

  constructor(
    logs: ReadonlyArray<{ readonly source: string; readonly path: string }>,
    killedAtMs: ReadonlyMap<number, number>,
    forgiven: ReadonlyArray<readonly [fromMs: number, toMs: number]>,
  ) {
    this.#killedAtMs = killedAtMs
    this.#forgiven = forgiven
    for (const { source, path } of logs) if (existsSync(path)) this.#read(source, readFileSync(path, 'latin1'))
  }

  /** Every id that was ever issued. */
  *issued(): IterableIterator<number> {
    for (const { life, issued } of this.lives.values()) {
      for (let n = 0; n < issued; n++) yield life * IDS_A_LIFE + n
    }
  }

  /** Whether somebody answers for it: Redis has taken it, a publisher has it on disk, or one ended in good order. */
  owes(id: number): boolean {
    const takenAtMs = this.#takenAtMs.get(id)
    if (takenAtMs !== undefined) return !this.#forgiven.some(([from, to]) => takenAtMs >= from && takenAtMs < to)
    const killedAtMs = this.#killedAtMs.get(Math.floor(id / IDS_A_LIFE))
    if (killedAtMs === undefined) return true
    const keptAtMs = this.#keptAtMs.get(id)
    return keptAtMs !== undefined && keptAtMs + KEPT_IS_OWED_AFTER_MS <= killedAtMs
  }

  /** The life that an id belongs to, where it was issued. */
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
