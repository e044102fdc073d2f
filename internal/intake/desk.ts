import type { Sample } from '../sample/sample.ts'
import type { SeriesTable } from '../sample/series.ts'
import type { Clock } from '../time/clock.ts'
import { IntakeError, type KeptBy } from './errors.ts'
import type { Intake } from './intake.ts'
import { GpuCsvBody } from './gpu-csv.ts'
import { type LineLimits, type LineProblems, LineReader, type Oldest, type ReadBody } from './line-reader.ts'
import { PrometheusReader } from './prometheus.ts'
import { TelemetryReader } from './telemetry.ts'
import { unpackedLength, unpackSnappy } from '../format/prometheus/snappy.ts'
import type { RemoteWriteVersion } from '../format/prometheus/remote-write.ts'

export interface DeskOptions {
  readonly intake: Intake
  readonly table: SeriesTable
  readonly clock: Clock
  /** Asked at each request. */
  readonly limits: () => LineLimits
  /** How long the store keeps samples, where it is known. Asked at each request. */
  readonly retention?: () => DeskRetention | undefined
}

export interface DeskRetention {
  readonly ms: number
  /** As people write it. */
  readonly words: string
}

/** What became of a request: each counts in one. */
export const OUTCOMES = ['redis', 'disk', 'bad', 'full', 'too_large', 'not_durable'] as const satisfies ReadonlyArray<
  KeptBy | IntakeError['kind']
>
type Outcome = (typeof OUTCOMES)[number]

export interface TakenLines extends Omit<ReadBody, 'samples'> {
  /** Samples that are durable. */
  readonly taken: number
  readonly durable: KeptBy
}

/** What became of records, rows or values: each of them is saved, says that there is no value, or has a problem. */
export interface TakenPoints {
  /** Those that are in durable samples. */
  readonly points: number
  readonly refused: LineProblems
  readonly old: LineProblems
  readonly taken: number
  readonly durable: KeptBy
}

export interface TakenRemoteWrite extends TakenPoints {
  /** Native histograms, of which none is taken. */
  readonly histograms: number
}

/** How long a body that is read part by part waits for room, ms. */
const PATIENCE_MS = 5000
const TRY_AGAIN_MS = 100

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
  readonly #telemetry: TelemetryReader
  readonly #prometheus: PrometheusReader

  constructor(options: DeskOptions) {
    this.#options = options
    this.#lines = new LineReader(options.table)
    this.#telemetry = new TelemetryReader(options.table)
    this.#prometheus = new PrometheusReader(options.table)
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

  /** Takes JSON with readings of GPUs. */
  writeTelemetry(body: Buffer): Promise<TakenPoints> {
    return this.#count(async () => {
      const nowUs = this.#options.clock.now()
      const { maxLines } = this.#options.limits()
      return this.#takePoints(this.#telemetry, this.#telemetry.read(body, nowUs, maxLines, this.#oldest(nowUs)))
    })
  }

  /** Takes a request of remote write, packed as Snappy. @param maxBytes what it may unpack to */
  writeRemote(packed: Buffer, version: RemoteWriteVersion, maxBytes: number): Promise<TakenRemoteWrite> {
    return this.#count(async () => {
      const body = unpacked(packed, maxBytes)
      const nowUs = this.#options.clock.now()
      const { maxLines } = this.#options.limits()
      const read = this.#prometheus.read(body, version, nowUs, maxLines, this.#oldest(nowUs))
      return { ...(await this.#takePoints(this.#prometheus, read)), histograms: read.histograms }
    })
  }

  /**
   * Takes CSV with readings of GPUs, part by part: no more is read while there is no room. Rows before an error are taken
   * already: to send all of them again is safe.
   */
  writeCsv(body: AsyncIterable<Buffer>): Promise<TakenPoints> {
    return this.#count(async () => {
      const { clock, limits, table } = this.#options
      const csv = new GpuCsvBody(table, limits().maxLineBytes, this.#oldest(clock.now()))
      let taken = 0
      let durable: KeptBy = 'redis'
      const take = async (samples: readonly Sample[]): Promise<void> => {
        if (samples.length === 0) return
        if ((await this.#takeWithPatience(samples)) === 'disk') durable = 'disk'
        taken += samples.length
      }
      for await (const part of body) await take(csv.add(part))
      await take(csv.end())
      const { points, refused, old } = csv
      this.refused += refused.count + old.count
      return { points, refused, old, taken, durable }
    })
  }

  async #takePoints(
    reader: { forget(): void },
    { samples, points, refused, old }: { samples: readonly Sample[] } & Omit<TakenPoints, 'taken' | 'durable'>,
  ): Promise<TakenPoints> {
    this.refused += refused.count + old.count
    try {
      return { points, refused, old, taken: samples.length, durable: await this.#take(samples) }
    } catch (error) {
      reader.forget()
      throw error
    }
  }

  async #takeWithPatience(samples: readonly Sample[]): Promise<KeptBy> {
    for (const untilMs = performance.now() + PATIENCE_MS; ; ) {
      try {
        return await this.#take(samples)
      } catch (error) {
        const isFull = error instanceof IntakeError && error.kind === 'full'
        if (!isFull || performance.now() > untilMs) throw error
        await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS))
      }
    }
  }

  async #take(samples: readonly Sample[]): Promise<KeptBy> {
    const durable = await this.#options.intake.take(samples)
    this.samples += samples.length
    return durable
  }

  #oldest(nowUs: number): Oldest | undefined {
    const retention = this.#options.retention?.()
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

function unpacked(packed: Buffer, maxBytes: number): Buffer {
  try {
    if (unpackedLength(packed) > maxBytes) throw new IntakeError('too_large', `it unpacks to over ${maxBytes} bytes`)
    return unpackSnappy(packed, maxBytes)
  } catch (error) {
    if (error instanceof RangeError)
      throw new IntakeError('bad', `the body is not packed: ${error.message}`, { cause: error })
    throw error
  }
}
