import type { Rejected } from '../store.ts'
import { shorten } from './answer.ts'
import type { LineBatch } from './batch.ts'
import { blame, halves } from './blame.ts'
import type { Outcome, Refused, Undecided } from './outcome.ts'

/** Why nothing is decided. */
export interface AttemptFailure extends Undecided {
  /** Only this batch is known to fail: others may succeed. */
  readonly onlyThisBatch?: boolean
}

/** The server, as one attempt uses it. */
export interface Server {
  send(body: Buffer): Promise<Outcome>
  /** What is wrong with every write, regardless of its lines; undefined when writes work. */
  findFault(): Promise<Undecided | undefined>
  /** Called when it answered 413 to `bytes`. */
  tooLarge(bytes: number): void
  /** How many bodies with lines it has accepted so far, of all batches. */
  accepted(): number
}

/**
 * The most requests spent on lines that the server dropped without naming them: a thousand scattered ones (1.x at `max-values-per-tag`)
 * would take as many requests. The rest are then counted as refused without their text.
 */
const MAX_SEARCH_REQUESTS = 200
/** How often in a row the server must fail on a line that is sent alone. Of several servers behind one address, one may be broken. */
const FAILURES_ALONE = 5
/** The most parts of a failing batch that are tried before one is accepted or found out. A broken server accepts none. */
const MAX_FAILED_PARTS = 32

/**
 * One attempt to write a batch: first whole, then in parts until the lines at fault are found.
 *
 * A server that fails (500; 502 from a proxy whose connection to it broke; an answer that cannot be read) is normally tried again later.
 * But a single line may make it fail every time, and would block all others for ever. So a batch on which it has failed
 * `divideAfter` times is divided too. A line is rejected for it only if the server fails on that line alone, five times in a row, and has
 * accepted others since it first failed on the batch: a server that answers nonsense to everything costs no sample.
 */
export class Attempt {
  readonly #batch: LineBatch
  readonly #server: Server
  readonly #rejected: Rejected[] = []
  /** Groups of lines that are still to be sent. */
  readonly #groups: Array<readonly number[]> = []
  /** Single lines on which the server failed while it had accepted nothing else; it may fail on every line. */
  #failedLines: number[] = []
  #requests = 0
  #failedParts = 0
  #hasFailed = false
  #requestIsSound = false

  constructor(batch: LineBatch, server: Server) {
    this.#batch = batch
    this.#server = server
  }

  /** @returns the lines that were refused (all others are stored), or why nothing is decided */
  async run(): Promise<Rejected[] | AttemptFailure> {
    if (this.#batch.samples > 0) {
      const failure = await this.#writeAll()
      if (failure !== undefined) return failure
    }
    for (let lines = this.#groups.pop(); lines !== undefined; lines = this.#groups.pop()) {
      const failure = await this.#write(lines)
      if (failure !== undefined) return failure
    }
    this.#batch.failures = undefined
    return this.#rejected.sort((a, b) => a.index - b.index)
  }

  /** Almost every batch is accepted whole. Only the others need a list of their lines, which is 40 kB of garbage. */
  async #writeAll(): Promise<AttemptFailure | undefined> {
    const { body } = this.#batch
    const outcome = await this.#send(body)
    return outcome.action === 'accept' ? undefined : this.#handle(outcome, allLines(this.#batch), body)
  }

  async #write(lines: readonly number[]): Promise<AttemptFailure | undefined> {
    const body = bodyOf(this.#batch, lines)
    const outcome = await this.#send(body)
    return outcome.action === 'accept' ? undefined : this.#handle(outcome, lines, body)
  }

  async #send(body: Buffer): Promise<Outcome> {
    const outcome = await this.#server.send(body)
    this.#requests++
    if (outcome.action !== 'accept') return outcome
    this.#failedParts = 0
    this.#groups.push(...this.#failedLines.splice(0).map((index) => [index]))
    return outcome
  }

  /** Decides what follows when the lines were not all accepted. */
  async #handle(
    outcome: Exclude<Outcome, { action: 'accept' }>,
    lines: readonly number[],
    body: Buffer,
  ): Promise<AttemptFailure | undefined> {
    switch (outcome.action) {
      case 'split':
        if (lines.length === 1) this.#reject(lines[0]!, `too large: ${outcome.message}`)
        else {
          this.#groups.push(...halves(lines))
          if (outcome.status === 413) this.#server.tooLarge(body.length)
        }
        return undefined
      case 'reject':
        return this.#blame(lines, outcome)
      case 'wait':
      case 'retry':
        return outcome.divideAfter === undefined ? outcome : this.#divideFailing(lines, outcome, outcome.divideAfter)
    }
  }

  async #blame(lines: readonly number[], refusal: Refused): Promise<AttemptFailure | undefined> {
    if (refusal.named.length === 0 && refusal.dropped === undefined) {
      const fault = await this.#findFault()
      if (fault !== undefined) return fault
    }
    if (refusal.dropped !== undefined && this.#requests > MAX_SEARCH_REQUESTS) {
      this.#rejectUnnamed(lines, refusal.dropped, refusal.message)
      return undefined
    }
    const verdict = blame(this.#batch, lines, refusal)
    for (const { index, reason } of verdict.refused) this.#reject(index, reason)
    this.#groups.push(...verdict.again)
    return undefined
  }

  /** The server failed on these lines: divides them, or leaves the batch for later. */
  async #divideFailing(
    lines: readonly number[],
    failure: Undecided,
    divideAfter: number,
  ): Promise<AttemptFailure | undefined> {
    const failures = this.#countFailure(failure.status)
    if (failures.count < divideAfter) return failure
    const fault = await this.#findFault()
    if (fault !== undefined) return fault
    this.#failedParts++
    if (lines.length > 1) this.#groups.push(...halves(lines))
    else if (this.#server.accepted() === failures.acceptedBefore) this.#failedLines.push(lines[0]!)
    else {
      const undecided = await this.#confirm(lines[0]!, failure)
      if (undecided !== undefined) return undecided
      this.#failedParts = 0
    }
    const isHopeless = this.#failedParts >= MAX_FAILED_PARTS
    const isExhausted = this.#groups.length === 0 && this.#failedLines.length > 0
    return isHopeless || isExhausted ? { ...failure, onlyThisBatch: true } : undefined
  }

  /** Counts the attempts in a row that failed in the same way. */
  #countFailure(status: number): NonNullable<LineBatch['failures']> {
    const before = this.#batch.failures
    if (this.#hasFailed && before !== undefined) return before
    this.#hasFailed = true
    const failures =
      before?.status === status
        ? { ...before, count: before.count + 1 }
        : { status, count: 1, acceptedBefore: this.#server.accepted() }
    this.#batch.failures = failures
    return failures
  }

  /** Sends a line alone until the server takes it, or it is found to be at fault. */
  async #confirm(line: number, failure: Undecided): Promise<AttemptFailure | undefined> {
    for (let failed = 1; failed < FAILURES_ALONE; failed++) {
      const again = await this.#send(bodyOf(this.#batch, [line]))
      if (again.action === 'accept') return undefined
      if (!isSame(again, failure)) return failure
    }
    this.#reject(line, failure.message)
    return undefined
  }

  /** Asks at most once an attempt. */
  async #findFault(): Promise<Undecided | undefined> {
    if (this.#requestIsSound) return undefined
    const fault = await this.#server.findFault()
    this.#requestIsSound = fault === undefined
    return fault
  }

  #reject(index: number, message: string): void {
    const refusal = { reason: 'store_refused', detail: shorten(message) } as const
    this.#rejected.push({ index, line: this.#batch.line(index), refusal })
  }

  /** Rejects `count` of the lines without knowing which. The first entry lists all candidates. */
  #rejectUnnamed(lines: readonly number[], count: number, message: string): void {
    const refusal = { reason: 'store_refused', detail: shorten(message) } as const
    const text = lines.map((index) => this.#batch.line(index)).join('\n')
    // Never more than were sent. Otherwise the ledger would count a negative number as written.
    const refused = Math.min(count, lines.length)
    for (let i = 0; i < refused; i++) this.#rejected.push({ index: -1, line: i === 0 ? text : '', refusal })
  }
}

/** Another failure, such as a connection that breaks, says nothing about the line. */
function isSame(again: Outcome, failure: Undecided): boolean {
  return 'divideAfter' in again && again.divideAfter !== undefined && again.status === failure.status
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
