// Measures what a server and an API keep of each series and each source. Simulated agents send a frame a second of 11
// samples of 5 fields each, through the decoder, the pipeline with its live feed, the counting of losses and the search
// for two sources of one name, into a store that takes all at once. What is counted is the heap and the buffers after
// a garbage collection, so no batch and no message is in it.
//
//   npm run build && node --expose-gc scripts/series-memory.mjs [sources] [seconds]     (1000 and 20)
//
// SNAPSHOT=file.heapsnapshot also writes who holds what.
import { writeHeapSnapshot } from 'node:v8'
import pino from 'pino'
import { blankHeader } from '../dist/internal/codec/codec.js'
import { MessageDecoder } from '../dist/internal/codec/detect.js'
import { frameCodec } from '../dist/internal/codec/frame.js'
import { Identities } from '../dist/internal/ingest/identities.js'
import { LossTracker } from '../dist/internal/ingest/loss/loss.js'
import { Pipeline } from '../dist/internal/ingest/pipeline.js'
import { LiveAnnouncer } from '../dist/internal/live/announcer.js'
import { LiveTable } from '../dist/internal/live/live-table.js'
import { LatencyRecorder } from '../dist/internal/observe/latency.js'
import { LogThrottle } from '../dist/internal/observe/log-throttle.js'
import { ServerLedger } from '../dist/internal/sample/ledger.js'
import { SeriesTable } from '../dist/internal/sample/series.js'
import { BatchPool } from '../dist/internal/store/influx/batch.js'

const [sources = '1000', seconds = '20'] = process.argv.slice(2)
const SOURCES = Number(sources)
const SECONDS = Number(seconds)
if (!(SOURCES > 0 && SECONDS > 0) || globalThis.gc === undefined) {
  console.error('usage: node --expose-gc scripts/series-memory.mjs [sources] [seconds]')
  process.exit(2)
}
const SERIES_A_SOURCE = 11
const FIELDS = ['usage_user', 'usage_system', 'usage_idle', 'usage_iowait', 'usage_steal']
const SECOND_US = 1_000_000
const BEGIN_US = 1_763_900_000 * SECOND_US

const silent = pino({ level: 'silent' })
const clock = { at: BEGIN_US, now: () => clock.at }
const monotonicMs = () => (clock.at - BEGIN_US) / 1000

/** The frame of one source at one second. Its series are made afresh, as if another process had sent it. */
function frameOf(source, second) {
  const table = new SeriesTable()
  const encoder = frameCodec.encoder()
  const at = BEGIN_US + second * SECOND_US
  for (let i = 0; i < SERIES_A_SOURCE; i++) {
    const tags = [['host', `web-${source}.example.org`], ['cpu', `cpu${i}`]] // biome-ignore format: a pair a tag
    const series = table.intern(i < 8 ? 'cpu' : `measurement${i}`, tags, at)
    const values = []
    for (const [f, name] of FIELDS.entries())
      values[series.field(name, 'float')] = (source * 37 + f * 11 + second) % 100
    encoder.add({ series, values, at, tie: 0 })
  }
  const numbers = { seq: second, firstSample: second * SERIES_A_SOURCE, heldFrom: second }
  const run = `web-${source}.example.org/agent/${source.toString(16).padStart(12, '0')}`
  return encoder.finish({ ...blankHeader(), ...numbers, heldFirstSample: numbers.firstSample, run, sentAt: at })
}

function takesAllAtOnce() {
  const pool = new BatchPool()
  const limits = { maxSamples: 5000, maxBytes: 1 << 20, maxLineBytes: 1 << 20, inFlight: 2 }
  return {
    limits,
    openBatch: () => pool.open(limits),
    batchOf: () => pool.open(limits),
    write: async () => ({ next: 'ack', rejected: [] }),
    check: async () => '',
    close: async () => {},
  }
}

async function openServer(channel) {
  const table = new SeriesTable({ maxSeries: 10_000_000 })
  const announcer = new LiveAnnouncer({ channel, run: 'server', clock, monotonicMs })
  const ledger = new ServerLedger()
  const loss = new LossTracker({ maxRuns: 100_000 })
  const identities = new Identities({ table, onConflict: () => {} })
  let deliver = () => {}
  const pipeline = new Pipeline({
    decoder: new MessageDecoder(table),
    live: (sample, receivedAt) => announcer.record(sample, receivedAt),
    writer: takesAllAtOnce(),
    ...{ ledger, loss, identities, clock, logger: silent, throttle: new LogThrottle(silent) },
    latencies: { internal: new LatencyRecorder(), e2e: new LatencyRecorder(), durable: new LatencyRecorder() },
    timeWindow: { maxAgeUs: Infinity, maxFutureUs: Infinity },
    ...{
      flushMinMs: 1,
      flushMaxMs: 1,
      durableTargetMs: 50,
      queueMaxBytes: 64 << 20,
      replayBytesPerSecond: 1e9,
      brokerKeepsUnacked: false,
    },
    deadLetters: { add: () => {}, written: async () => {} },
  })
  const nothing = () => {}
  await pipeline.start(async (handler) => {
    deliver = handler
    return { pause: nothing, resume: nothing, storeAway: nothing, ack: nothing, stop: nothing, close: nothing }
  })
  return {
    table,
    announcer,
    ledger,
    loss,
    identities,
    deliver: (message, id) => deliver(message, { id, tie: -1, redelivered: false }),
  }
}

/** What is kept, in bytes, after everything that nobody needs is collected. */
async function kept() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function play(deliver, announcer, from, to) {
  let id = 0
  for (let second = from; second < to; second++) {
    clock.at = BEGIN_US + second * SECOND_US
    for (let source = 0; source < SOURCES; source++) {
      deliver(frameOf(source, second), ++id)
      if (source % 1000 === 999) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    announcer.announce()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function say(what, before, after, count, unit) {
  const bytes = ((after - before) / count).toFixed(0)
  console.log(`${what.padEnd(44)} ${bytes.padStart(6)} bytes a ${unit}`)
}

const SERIES = SOURCES * SERIES_A_SOURCE
let table
const channel = {
  isHeard: true,
  publish: (payload) => table?.apply(payload),
  subscribe: async () => async () => {},
  recall: async () => [],
}
const server = await openServer(channel)
// What is made once, whoever sends, must be there before.
server.deliver(frameOf(SOURCES, 0), 0)
server.announcer.announce()
const empty = await kept()
await play(server.deliver, server.announcer, 0, SECONDS)
const full = await kept()
say(`server, ${SOURCES} sources, ${SERIES} series`, empty, full, SERIES, 'series')

table = new LiveTable({ channel, codec: frameCodec, clock, logger: silent, maxSeries: 10_000_000, monotonicMs })
table.apply(frameOf(SOURCES, 0))
const withoutApi = await kept()
await play(server.deliver, server.announcer, SECONDS, 2 * SECONDS)
const withApi = await kept()
say('live table of an API', withoutApi, withApi, SERIES, 'series')
for (const live of table.changedSince(0)) live.json()
say('the same, after a client has asked for all', withoutApi, await kept(), SERIES, 'series')

// Sources alone: their series are known by now, and each of them begins a second run.
const loss = new LossTracker({ maxRuns: 10 * SOURCES })
const noLoss = await kept()
for (let source = 0; source < SOURCES; source++) {
  const run = `web-${source}.example.org/agent/${source.toString(16).padStart(12, '1')}`
  for (const seq of [0, 1, 2])
    loss.observe({
      ...blankHeader(),
      run,
      seq,
      heldFrom: seq,
      firstSample: seq,
      heldFirstSample: seq,
      sampleCount: 1,
      sentAt: BEGIN_US,
    })
}
say('a source beside its series', noLoss, await kept(), SOURCES, 'source')
// Used once more, so that what was measured was still there.
if (loss.checkpoints('all', false, 0).size !== SOURCES) throw new Error('a run is missing')
if (process.env.SNAPSHOT) writeHeapSnapshot(process.env.SNAPSHOT)
if (server.table.size !== SERIES + SERIES_A_SOURCE) throw new Error(`${server.table.size} series`)
process.exit(0)
