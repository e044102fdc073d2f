import { setImmediate } from 'node:timers/promises'
import type { MessageHandler, Subscription } from '../../internal/broker/broker.ts'
import { blankHeader, type Codec } from '../../internal/codec/codec.ts'
import { MessageDecoder } from '../../internal/codec/detect.ts'
import { frameCodec } from '../../internal/codec/frame.ts'
import { FIRST_SAMPLE_AT, SEQ_AT } from '../../internal/codec/frame-layout.ts'
import { LossTracker } from '../../internal/ingest/loss/loss.ts'
import { Pipeline } from '../../internal/ingest/pipeline.ts'
import { LiveAnnouncer } from '../../internal/live/announcer.ts'
import { LatencyRecorder } from '../../internal/observe/latency.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import { ServerLedger } from '../../internal/sample/ledger.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { BatchPool } from '../../internal/store/influx/batch.ts'
import type { StoreWriter } from '../../internal/store/store.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { silent } from './live-feed.ts'

export const SAMPLES = 10_000
const HOSTS = 200
/** Messages that come with one read of the socket: 64 KiB of them, and then the promises that wait have their turn. */
const MESSAGES_A_READ = 1000

/**
 * Times are `1763`, seven digits of the round, five of the sample: µs. Each round has times of its own, as life has, or
 * the decoders would search for a free tie and the live view take nothing. To write the round into messages that are
 * there costs some ns.
 */
const ROUND_DIGITS = 7
const ROUND_US = 1e5
const FIRST_AT = 1763e12
const NS_A_ROUND = ROUND_US * 1000

/** Samples of 200 hosts in turn, two floats of two decimals each, 7 µs apart. */
function samples(): Sample[] {
  const table = new SeriesTable()
  return Array.from({ length: SAMPLES }, (_, n) => {
    const series = table.intern('system_stats', [['host', `web-${n % HOSTS}`]], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    series.field('cpu', 'float')
    series.field('mem', 'float')
    return { series, values: [((n * 37) % 10_000) / 100, ((n * 91) % 10_000) / 100], at: FIRST_AT + n * 7, tie: 0 }
  })
}

export function messagesOf(codec: Codec, perMessage: number): Buffer[] {
  const encoder = codec.encoder()
  const numbered = codec === frameCodec ? { run: 'web-01/agent/5f3a', seq: 0 } : {}
  const messages: Buffer[] = []
  for (const sample of samples()) {
    encoder.add(sample)
    if (encoder.count < perMessage) continue
    messages.push(encoder.finish({ ...blankHeader(), ...numbered, sentAt: sample.at }))
  }
  return messages
}

/** Writes the number of the round into a message that the round before has left. */
type Restamp = (message: Buffer, index: number, round: number) => void

export const restampPacked: Restamp = (message) => {
  const low = message.readUInt32LE(24) + NS_A_ROUND
  message.writeUInt32LE(low >>> 0, 24)
  if (low > 0xffff_ffff) message.writeUInt32LE(message.readUInt32LE(28) + 1, 28)
}

export function jsonRestamp(messages: readonly Buffer[]): Restamp {
  const key = '"send_time_unix_nano":'
  const lastDigitAt = messages.map((message) => message.indexOf(key) + key.length + '1763'.length + ROUND_DIGITS - 1)
  return (message, index, round) => {
    for (let at = lastDigitAt[index]!, left = round; left > 0; at--, left = Math.floor(left / 10)) {
      message[at] = 0x30 + (left % 10)
    }
  }
}

export const restampFrame: Restamp = (message, index, round) => {
  const seq = round * 100 + index
  message.writeUInt32LE(seq, SEQ_AT)
  message.writeUInt32LE(seq * 100, FIRST_SAMPLE_AT)
}

/** Takes every batch at once. */
function openStore(): StoreWriter {
  const pool = new BatchPool()
  const limits = { maxSamples: 5000, maxBytes: 1 << 20, maxLineBytes: 1 << 20, inFlight: 2, replays: 4 }
  return {
    limits,
    openBatch: () => pool.open(limits),
    batchOf: () => pool.open(limits),
    write: async () => ({ next: 'ack', rejected: [] }),
    check: async () => '',
    close: async () => {},
  }
}

async function openPipeline() {
  const clock = new WallClock()
  const table = new SeriesTable()
  const ledger = new ServerLedger()
  const channel = { isHeard: true, publish: () => {}, subscribe: async () => async () => {}, recall: async () => [] }
  const announcer = new LiveAnnouncer({ channel, run: 'web-01/server/5f3a', clock })
  const through = { messages: 0, delivered: 0, acked: 0 }
  const pipeline = new Pipeline({
    decoder: new MessageDecoder(table),
    live: (sample, receivedAt) => announcer.record(sample, receivedAt),
    onMessage: () => through.messages++,
    checkpoints: { delivered: (id) => (through.delivered = id), acked: (upTo) => (through.acked = upTo) },
    writer: openStore(),
    ledger,
    loss: new LossTracker(),
    latencies: { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() },
    clock,
    logger: silent,
    throttle: new LogThrottle(silent),
    timeWindow: { maxAgeUs: Infinity, maxFutureUs: Infinity },
    flushMinMs: 10,
    flushMaxMs: 250,
    durableTargetMs: 50,
    queueMaxBytes: 64 << 20,
    brokerKeepsUnacked: false,
    replayBytesPerSecond: 1e9,
    deadLetters: { add: () => {}, written: async () => {} },
  })
  let deliver: MessageHandler = () => {}
  const nothing = (): void => {}
  const done = async (): Promise<void> => {}
  const subscription: Subscription = {
    ...{ pause: nothing, resume: nothing, storeAway: nothing, ack: nothing },
    ...{ stop: done, close: done },
  }
  await pipeline.start(async (handler) => {
    deliver = handler
    return subscription
  })
  const delivery = { id: 0, tie: -1, redelivered: false }
  return {
    deliver(message: Buffer): void {
      delivery.id++
      deliver(message, delivery)
    },
    /** Samples that stand in a batch as lines, or were written. */
    taken: () => ledger.written + pipeline.heldInMemory,
  }
}

export async function through(messages: readonly Buffer[], restamp: Restamp): Promise<() => Promise<number>> {
  const { deliver, taken } = await openPipeline()
  let round = 0
  return async () => {
    const before = taken()
    round++
    for (let i = 0; i < messages.length; i++) {
      restamp(messages[i]!, i, round)
      deliver(messages[i]!)
      if (i % MESSAGES_A_READ === MESSAGES_A_READ - 1) await setImmediate()
    }
    return (taken() - before) * (messages.length / SAMPLES)
  }
}
