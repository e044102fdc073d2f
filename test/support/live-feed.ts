import { type Logger, pino } from 'pino'
import { MemoryBroker } from '../../internal/broker/memory/broker.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { LiveAnnouncer } from '../../internal/live/announcer.ts'
import { LiveTable } from '../../internal/live/live-table.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { FieldKind, FieldValue } from '../../internal/sample/value.ts'

export const silent: Logger = pino({ level: 'silent' })

/** A clock that is moved by hand, µs. */
export class HandClock {
  time: number
  /** How far it was set, apart from the time that passed, µs. */
  #setByUs = 0

  constructor(time = Date.UTC(2025, 10, 23) * 1000) {
    this.time = time
  }

  now(): number {
    return this.time
  }

  /** Sets the clock ahead, or back for a negative value. No time passes. */
  set(byUs: number): void {
    this.time += byUs
    this.#setByUs += byUs
  }

  /** The timer that nobody sets, ms. */
  readonly monotonicMs = (): number => (this.time - this.#setByUs) / 1000
}

export function kindOf(value: FieldValue): FieldKind {
  if (typeof value === 'bigint') return value < 0n ? 'int' : 'uint'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : 'float'
}

/** Makes samples from plain objects. */
export class SampleMaker {
  readonly table = new SeriesTable()

  sample(
    measurement: string,
    tags: Readonly<Record<string, string>>,
    fields: Readonly<Record<string, FieldValue>>,
    at: number,
  ): Sample {
    const series = this.table.intern(measurement, Object.entries(tags), at)
    if (isRefusal(series)) throw new Error(series.detail)
    const sample: Sample = { series, values: [], at, tie: 0 }
    for (const [name, value] of Object.entries(fields)) {
      const place = series.field(name, kindOf(value))
      if (isRefusal(place)) throw new Error(place.detail)
      sample.values[place as number] = value
    }
    return sample
  }
}

/**
 * The live feed from the pipeline to the API, within one process. What `send` puts in is in `table` when it returns.
 */
export class LiveWay {
  readonly clock = new HandClock()
  readonly broker = new MemoryBroker({ logger: silent })
  readonly announcer: LiveAnnouncer
  readonly table: LiveTable
  readonly #maker = new SampleMaker()

  constructor(options: { maxSeries?: number; staleAfterMs?: () => number } = {}) {
    const { clock } = this
    const common = { channel: this.broker.live, clock, monotonicMs: clock.monotonicMs }
    this.announcer = new LiveAnnouncer({ ...common, run: 'server-1' })
    this.table = new LiveTable({ ...common, codec: frameCodec, logger: silent, ...options })
  }

  /** Puts one sample into the announcer, without announcing it. */
  record(
    measurement: string,
    tags: Readonly<Record<string, string>>,
    fields: Readonly<Record<string, FieldValue>>,
    at = this.clock.now(),
  ): void {
    this.announcer.record(this.#maker.sample(measurement, tags, fields, at), this.clock.now())
  }

  send(
    measurement: string,
    tags: Readonly<Record<string, string>>,
    fields: Readonly<Record<string, FieldValue>>,
    at = this.clock.now(),
  ): void {
    this.record(measurement, tags, fields, at)
    this.announcer.announce()
  }
}
