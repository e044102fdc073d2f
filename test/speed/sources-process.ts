// Many agents in one process: each source is a run of its own with the publisher and the outbox of a real agent, and sends a frame of 11 samples
// of 5 fields each at its interval. The sources are spread evenly over the interval, as agents that were started at different moments are. All
// share one connection to Redis, so that the machine measures the server.
//
//   node sources-process.mjs <redis URL> <sources> <interval ms> <seconds> [settle seconds]
//
// Prints `sending` once every source has sent, makes samples for so many seconds more, waits until the outboxes are empty, and prints one line of
// JSON (`Sources`).
import { pino } from 'pino'
import type { Broker } from '../../internal/broker/broker.ts'
import { openBroker } from '../../internal/broker/open.ts'
import type { Codec } from '../../internal/codec/codec.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { Publisher } from '../../internal/publish/publisher.ts'
import { runId } from '../../internal/publish/run-id.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import { PublisherLedger } from '../../internal/sample/ledger.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { deferred } from '../../internal/time/deferred.ts'
import type { Sources } from './sources.ts'
import { FIELDS, MEASUREMENTS } from './sources-shape.ts'

/** How often the sources that are due are looked for. */
const LOOK_EVERY_MS = 5
/** After so long answers of Redis are read. Else a process that cannot make all in time would never hear that any was taken. */
const MOST_A_LOOK_MS = 20
/** Values that differ, made before: random numbers would take more time than the encoding. */
const VALUES = Float64Array.from({ length: 4096 }, () => Math.round(Math.random() * 10_000) / 100)

const [redisUrl = '', sourceCount, intervalMs, seconds, settleSeconds = '120'] = process.argv.slice(2)
const logger = pino({ level: 'silent' })
const clock = new WallClock()
const table = new SeriesTable({ maxSeries: Infinity })
/** An encoder remembers the series that it has seen, up to 65,536 of them. */
const SOURCES_AN_ENCODER = 1_000

class Source {
  readonly ledger = new PublisherLedger()
  readonly publisher: Publisher
  readonly #samples: readonly Sample[]
  /** Messages that a server took. */
  sent = 0
  lastSentMs = Number.NaN
  longestSilenceMs = 0

  constructor(broker: Broker, codec: Codec, host: string) {
    this.publisher = new Publisher({
      ...{ broker, codec, clock, logger, ledger: this.ledger },
      ...{ runId: runId(host, 'agent'), throttle: new LogThrottle(logger), onSent: () => this.#onSent() },
    })
    this.#samples = MEASUREMENTS.map((measurement) => sampleOf(measurement, host))
  }

  send(atUs: number): void {
    for (const sample of this.#samples) {
      sample.at = atUs
      for (let i = 0; i < FIELDS.length; i++) sample.values[i] = VALUES[nextValue++ % VALUES.length]!
      this.publisher.add(sample)
    }
    this.publisher.flush()
  }

  #onSent(): void {
    const nowMs = performance.now()
    if (this.sent++ > 0) this.longestSilenceMs = Math.max(this.longestSilenceMs, nowMs - this.lastSentMs)
    this.lastSentMs = nowMs
  }
}

let nextValue = 0

function sampleOf(measurement: string, host: string): Sample {
  const series = table.intern(measurement, [['host', host]], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  for (const field of FIELDS) series.field(field, 'float')
  return { series, values: FIELDS.map(() => 0), at: 0, tie: 0 }
}

/** Sends what is due, until `stop`. Like an agent, a source that is late by whole intervals leaves them out. */
function startSending(sources: readonly Source[]): () => void {
  const stepMs = Number(intervalMs) / sources.length
  const startedAtMs = performance.now()
  let next = 0
  const timer = setInterval(() => {
    const nowMs = performance.now()
    const due = Math.floor((nowMs - startedAtMs) / stepMs)
    next += Math.floor((due - next) / sources.length) * sources.length
    for (; next < due && performance.now() < nowMs + MOST_A_LOOK_MS; next++)
      sources[next % sources.length]!.send(clock.now())
  }, LOOK_EVERY_MS)
  return () => clearInterval(timer)
}

async function until(isTrue: () => boolean, mostMs: number): Promise<void> {
  const endMs = performance.now() + mostMs
  while (!isTrue() && performance.now() < endMs) await sleep(50)
}

function sleep(ms: number): Promise<void> {
  const { promise, resolve } = deferred<void>()
  setTimeout(resolve, ms)
  return promise
}

const broker = await openBroker({ kind: 'pubsub', redis: { url: redisUrl }, logger, uses: ['publish'] })
// A source adds its samples and finishes its frame in one go, so one encoder serves many of them.
const codecs = Array.from({ length: Math.ceil(Number(sourceCount) / SOURCES_AN_ENCODER) }, (): Codec => {
  const encoder = frameCodec.encoder()
  return { ...frameCodec, encoder: () => encoder }
})
const sources = Array.from(
  { length: Number(sourceCount) },
  (_, n) => new Source(broker, codecs[n % codecs.length]!, `host-${n}`),
)
await Promise.all(sources.map(({ publisher }) => publisher.start()))
const stopSending = startSending(sources)
await until(() => sources.every(({ sent }) => sent > 1), Number(intervalMs) * 30 + 30_000)
console.log('sending')
const fromMs = performance.now()
const before = producedBy(sources)
for (const source of sources) source.longestSilenceMs = 0
await sleep(Number(seconds) * 1000)
const made = producedBy(sources) - before
const madeSeconds = (performance.now() - fromMs) / 1000
stopSending()
const heldAtEnd = sum(sources, ({ publisher }) => publisher.held)
const stoppedAtMs = performance.now()
await until(() => sources.every(({ publisher }) => publisher.held === 0), Number(settleSeconds) * 1000)
const result: Sources = {
  ratePerSecond: made / madeSeconds,
  produced: producedBy(sources),
  sent: sum(sources, ({ ledger }) => ledger.sent),
  dropped: sum(sources, ({ ledger }) => ledger.dropped),
  heldAtEnd,
  settleMs: performance.now() - stoppedAtMs,
  longestSilenceMs: Math.max(...sources.map(({ longestSilenceMs }) => longestSilenceMs)),
}
console.log(JSON.stringify(result))

function producedBy(all: readonly Source[]): number {
  return sum(all, ({ ledger }) => ledger.produced)
}

function sum(all: readonly Source[], of: (source: Source) => number): number {
  return all.reduce((total, source) => total + of(source), 0)
}
