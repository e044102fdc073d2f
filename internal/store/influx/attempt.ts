import type { Rejected } from '../store.ts'
import type { LineBatch } from './batch.ts'
import { blame, halves } from './blame.ts'
import { type Outcome, type Refused, shorten } from './outcome.ts'

/** Nothing is decided, and why. `alone`: nothing but this batch is known to be in trouble. */
export type Undecided = Extract<Outcome, { action: 'wait' | 'retry' }> & { readonly alone?: boolean }

/** The server as one attempt sees it. */
export interface Server {
  send(body: Buffer): Promise<Outcome>
  /** What is wrong with every write, whatever its lines; undefined when nothing is. */
  faultOfRequest(): Promise<Undecided | undefined>
  /** It answered 413 to so many bytes. */
  tooLarge(bytes: number): void
  /** Bodies with lines in them that it has taken so far, of whatever batch. */
  readonly taken: number
}

/**
 * Looking for the lines that a server dropped without naming them ends here: a thousand scattered ones (1.x at `max-values-per-tag`)
 * would take as many requests. What is left is then counted as refused without its lines.
 */
const MAX_SEARCH_REQUESTS = 200
/** So often a server may fail on a batch before it is asked whether that is the batch's fault. */
const PATIENCE = 3
/** And so many parts of it are tried, until it takes any: a server that is really broken takes none. */
const MAX_VAIN_REQUESTS = 32

/**
 * One attempt to write a batch: whole, and then in as many parts as it takes to find the lines that are at fault.
 *
 * A server that fails (500; 502 from a proxy that saw it break off) is tried again as a rule, but one line may be what it fails on, each
 * time, and would hold up all others for ever. So a batch on which it has failed three times is divided, too; a line is refused for it
 * only if the server fails on that line alone, twice, and has taken others since it first failed on the batch.
 */
export class Attempt {
  readonly #batch: LineBatch
  readonly #server: Server
  readonly #rejected: Rejected[] = []
  readonly #groups: Array<readonly number[]> = []
  /** Lines on which the server fails, though it may fail on all. */
  #suspects: number[] = []
  #requests = 0
  #vainRequests = 0
  #requestIsSound = false

  constructor(batch: LineBatch, server: Server) {
    this.#batch = batch
    this.#server = server
  }

  /** @returns the lines that were refused, all others are stored; or why nothing is decided */
  async run(): Promise<Rejected[] | Undecided> {
    if (this.#batch.samples > 0) {
      const undecided = await this.#writeAll()
      if (undecided !== undefined) return undecided
    }
    for (let lines = this.#groups.pop(); lines !== undefined; lines = this.#groups.pop()) {
      const undecided = await this.#write(lines)
      if (undecided !== undefined) return undecided
    }
    this.#batch.failures = undefined
    return this.#rejected.sort((a, b) => a.index - b.index)
  }

  /** Nearly every batch is taken whole: a list of its lines, 40 kB of garbage, is made only where it is not. */
  async #writeAll(): Promise<Undecided | undefined> {
    const { body } = this.#batch
    const outcome = await this.#send(body)
    return outcome.action === 'accept' ? undefined : this.#look(outcome, allLines(this.#batch), body)
  }

  async #write(lines: readonly number[]): Promise<Undecided | undefined> {
    const body = bodyOf(this.#batch, lines)
    const outcome = await this.#send(body)
    return outcome.action === 'accept' ? undefined : this.#look(outcome, lines, body)
  }

  async #send(body: Buffer): Promise<Outcome> {
    const outcome = await this.#server.send(body)
    this.#requests++
    if (outcome.action !== 'accept') return outcome
    this.#vainRequests = 0
    this.#groups.push(...this.#suspects.splice(0).map((index) => [index]))
    return outcome
  }

  /** What to do about lines that were not all accepted. */
  async #look(
    outcome: Exclude<Outcome, { action: 'accept' }>,
    lines: readonly number[],
    body: Buffer,
  ): Promise<Undecided | undefined> {
    switch (outcome.action) {
      case 'split':
        if (lines.length === 1) this.#reject(lines[0]!, `too large: ${outcome.words}`)
        else {
          this.#groups.push(...halves(lines))
          if (outcome.status === 413) this.#server.tooLarge(body.length)
        }
        return undefined
      case 'reject':
        return this.#blame(lines, outcome)
      case 'wait':
        return outcome
      case 'retry':
        return outcome.status === 500 || outcome.status === 502 ? this.#suspect(lines, outcome) : outcome
    }
  }

  async #blame(lines: readonly number[], refusal: Refused): Promise<Undecided | undefined> {
    if (refusal.named.length === 0 && refusal.dropped === undefined && !this.#requestIsSound) {
      const fault = await this.#server.faultOfRequest()
      if (fault !== undefined) return fault
      this.#requestIsSound = true
    }
    if (refusal.dropped !== undefined && this.#requests > MAX_SEARCH_REQUESTS) {
      this.#rejectUnnamed(lines, refusal.dropped, refusal.words)
      return undefined
    }
    const verdict = blame(this.#batch, lines, refusal)
    for (const { index, reason } of verdict.refused) this.#reject(index, reason)
    this.#groups.push(...verdict.again)
    return undefined
  }

  /** The server has failed: divides what it failed on, or leaves it for later. */
  async #suspect(lines: readonly number[], failure: Undecided): Promise<Undecided | undefined> {
    const batch = this.#batch
    if (this.#requests === 1) {
      batch.failures =
        batch.failures?.status === failure.status
          ? { ...batch.failures, count: batch.failures.count + 1 }
          : { status: failure.status, count: 1, takenBefore: this.#server.taken }
    }
    if (batch.failures === undefined || batch.failures.count < PATIENCE) return failure
    if (!this.#requestIsSound) {
      const fault = await this.#server.faultOfRequest()
      if (fault !== undefined) return fault
      this.#requestIsSound = true
    }
    if (lines.length > 1) this.#groups.push(...halves(lines))
    else if (this.#server.taken === batch.failures.takenBefore) this.#suspects.push(lines[0]!)
    else {
      const again = await this.#server.send(bodyOf(batch, lines))
      if (again.action === 'retry' && again.status === failure.status) this.#reject(lines[0]!, failure.words)
      else if (again.action !== 'accept') return failure
    }
    const isVain = ++this.#vainRequests >= MAX_VAIN_REQUESTS
    return isVain || (this.#groups.length === 0 && this.#suspects.length > 0) ? { ...failure, alone: true } : undefined
  }

  #reject(index: number, words: string): void {
    const refusal = { reason: 'store_refused', detail: shorten(words) } as const
    this.#rejected.push({ index, line: this.#batch.line(index), refusal })
  }

  /** The first has all lines that may be meant. */
  #rejectUnnamed(lines: readonly number[], count: number, words: string): void {
    const refusal = { reason: 'store_refused', detail: shorten(words) } as const
    const text = lines.map((index) => this.#batch.line(index)).join('\n')
    // As many as were sent: what else is stored would come out below none.
    const refused = Math.min(count, lines.length)
    for (let i = 0; i < refused; i++) this.#rejected.push({ index: -1, line: i === 0 ? text : '', refusal })
  }
}

function allLines(batch: LineBatch): number[] {
  const lines: number[] = []
  for (let index = 0; index < batch.samples; index++) lines.push(index)
  return lines
}

function bodyOf(batch: LineBatch, lines: readonly number[]): Buffer {
  if (lines.length === batch.samples) return batch.body
  return Buffer.concat(lines.map((index) => batch.lineBytes(index)))
}
