import type { Sample } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import type { Clock } from '../time/clock.ts'
import { IntakeError, type KeptBy } from './errors.ts'
import type { Intake } from './intake.ts'
import { type LineLimits, LineReader, type ReadBody } from './line-reader.ts'

export interface DeskOptions {
  readonly intake: Intake
  readonly table: SeriesTable
  readonly clock: Clock
  /** Asked at each request. */
  readonly limits: () => LineLimits
  /** How long the store keeps samples, where it is known; in words as people write it. */
  readonly retention?: { readonly ms: number; readonly words: string } | undefined
}

/** What became of a request: each counts in one. */
export type Outcome = KeptBy | IntakeError['kind']

export interface TakenLines extends Omit<ReadBody, 'samples'> {
  /** Samples that are durable. */
  readonly taken: number
  readonly durable: KeptBy
}

/**
 * Takes bodies in the formats of others: reads them, and answers when their samples are durable. Nothing of a body is
 * taken that is over a bound.
 *
 * Every method throws an IntakeError.
 */
export class Desk {
  readonly requests = new Map<Outcome, number>()
  /** Samples that are durable. */
  samples = 0
  /** Lines, rows and samples of requests that are not taken: the sender was told. */
  refused = 0
  readonly #options: DeskOptions
  readonly #lines: LineReader

  constructor(options: DeskOptions) {
    this.#options = options
    this.#lines = new LineReader(options.table)
  }

  /** Takes line protocol. @param unitNs of its times. @param allOrNothing whether a bad line leaves nothing of the body */
  writeLines(body: Buffer, unitNs: number, allOrNothing: boolean): Promise<TakenLines> {
    return this.#count(async () => {
      const { clock, limits } = this.#options
      const nowUs = clock.now()
      const { samples, ...problems } = this.#lines.read(body, {
        ...{ ...limits(), unitNs, nowUs, allOrNothing, oldest: this.#oldest(nowUs) },
      })
      this.refused += problems.bad.count + problems.refused.count + problems.old.count
      const durable = await this.#take(samples)
      return { ...problems, taken: samples.length, durable }
    })
  }

  async #take(samples: readonly Sample[]): Promise<KeptBy> {
    const durable = await this.#options.intake.take(samples)
    this.samples += samples.length
    return durable
  }

  #oldest(nowUs: number): { readonly atUs: number; readonly words: string } | undefined {
    const { retention } = this.#options
    if (retention === undefined) return undefined
    const words = `older than the ${retention.words} that the store keeps (retention)`
    return { atUs: nowUs - retention.ms * 1000, words }
  }

  async #count<T extends { readonly taken: number; readonly durable: KeptBy }>(work: () => Promise<T>): Promise<T> {
    try {
      const done = await work()
      this.#note(done.taken === 0 ? 'bad' : done.durable)
      return done
    } catch (error) {
      if (error instanceof IntakeError) this.#note(error.kind)
      throw error
    }
  }

  #note(outcome: Outcome): void {
    this.requests.set(outcome, (this.requests.get(outcome) ?? 0) + 1)
  }
}
