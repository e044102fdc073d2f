import { type LoadResult, type Progress, runLoad } from '../../bench/load/load.ts'
import { storeCount } from '../../bench/load/store-count.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, sleep, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'
import { growthPercent } from './growth.ts'
import { lostOf, withScene } from './play.ts'
import type { Context, Moment, Outcome, Row } from './row.ts'

/** The heap takes a third of the time to come to the size that the load needs. Of the rest, the last may be so much above the first. */
const MOST_GROWTH_PERCENT = 5

/** Of the moments, for the file. */
const KEPT_EVERY_S = 10

/** Load before the store is stopped, while it is, and after it is back, s. */
const OUTAGE = { before: 30, away: 60, after: 60 }
/** The queue of sealed batches, 64 MiB; and as much again until a collection comes by. */
const MOST_EXTRA_MB = 150
/** The default of 1 GiB holds a minute at 233,558 samples a second, and nothing of the seconds that the store takes to start. */
const SPOOL_MAX_BYTES = '4GiB'
/** InfluxDB is still compacting what it was given late, and takes more than half a minute to begin with an answer. */
const COUNT_TIMEOUT_MS = 300_000
const DATABASE = 'telemetry'

export const memorySteady: Row = {
  id: 'memory-steady',
  page: 'memory',
  what: 'Memory of the server at half of the highest rate, Packed; the growth is from the second third of the time to the last, by their means',
  command: ({ minutes, halfRate }) =>
    `npm run speed -- --rows memory-steady --runs 1 --minutes ${minutes} --half-rate ${halfRate}`,
  figures: [
    { name: 'growth', unit: '%', decimals: 1, reach: { atMost: MOST_GROWTH_PERCENT } },
    { name: 'RSS at the end', unit: 'MB', decimals: 0 },
    { name: 'RSS at most', unit: 'MB', decimals: 0 },
    { name: 'messages', unit: '/s', decimals: 0 },
    { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
  ],
  samples: ({ minutes, halfRate }) => minutes * 60 * halfRate,
  run: (context) =>
    withScene(
      { pipeline: 'ours', broker: 'pubsub', serverCount: 1 },
      context,
      async ({ play, stack }): Promise<Outcome> => {
        const { minutes, halfRate } = context.settings
        const load = await play({ format: 'packed', ratePerSecond: halfRate, durationMs: minutes * 60_000 })
        const timeline = momentsOf(load)
        return {
          figures: {
            growth: growthPercent(timeline.map(({ rssMB }) => rssMB)),
            'RSS at the end': timeline.at(-1)!.rssMB,
            'RSS at most': Math.max(...timeline.map(({ rssMB }) => rssMB)),
            messages: load.messages / load.seconds,
            lost: lostOf(load),
          },
          timeline: timeline.filter(({ atS }) => atS % KEPT_EVERY_S === 0),
          versions: stack.versions,
        }
      },
    ),
}

export const memoryOutage: Row = {
  id: 'memory-outage',
  page: 'memory',
  what: `InfluxDB stopped for ${OUTAGE.away} s under the same load, and started again; the spool may take ${SPOOL_MAX_BYTES}`,
  command: ({ halfRate }) => `npm run speed -- --rows memory-outage --runs 1 --half-rate ${halfRate}`,
  figures: [
    { name: 'RSS more than before', unit: 'MB', decimals: 0, reach: { atMost: MOST_EXTRA_MB } },
    { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
    { name: 'spooled at most', unit: 'samples', decimals: 0 },
    { name: 'caught up after', unit: 's', decimals: 0, reach: { atMost: 60 } },
  ],
  samples: ({ halfRate }) => halfRate * (OUTAGE.before + OUTAGE.away + OUTAGE.after),
  async run(context) {
    const redis = await startRedis()
    try {
      const influx = await startInflux()
      try {
        return await sendMeanwhile(redis, influx, context)
      } finally {
        await influx.stop()
      }
    } finally {
      await redis.stop()
    }
  },
}

async function sendMeanwhile(redis: TestServer, influx: TestServer, context: Context): Promise<Outcome> {
  const admin = `http://127.0.0.1:${await freePort()}`
  const { port } = new URL(admin)
  const server = startProgram('server', {
    env: {
      ...{ REDIS_URL: redis.url, INFLUX_URL: influx.url, INFLUX_BUCKET: DATABASE, SENTINEL_ADMIN_PORT: port },
      SENTINEL_SPOOL_MAX_BYTES: SPOOL_MAX_BYTES,
    },
  })
  const counting = new InfluxTransport({ url: influx.url, answerTimeoutMs: COUNT_TIMEOUT_MS })
  try {
    await until('the server is ready', () => fetch(`${admin}/ready`).then(isOk, () => false))
    let away: Promise<void> | undefined
    const load = await runLoad(
      {
        ...{ redis: { url: redis.url }, broker: { kind: 'pubsub', topic: '', partitions: 1 }, servers: [admin] },
        ...{ format: 'packed', samplesPerMessage: 1, values: 'walk', workers: 64, hosts: 0, threads: 1 },
        ...{ ratePerSecond: context.settings.halfRate, warmupMs: 3000 },
        durationMs: (OUTAGE.before + OUTAGE.away + OUTAGE.after) * 1000,
        countStored: storeCount(counting, DATABASE),
        onProgress({ step, atMs }: Progress) {
          if (step !== 'measure' || atMs < OUTAGE.before * 1000 || away !== undefined) return
          away = stopForAWhile(influx, context)
          // Looked at when the load is over.
          away.catch(() => {})
        },
      },
      context.signal,
    )
    context.signal.throwIfAborted()
    await away
    return outcomeOf(load)
  } finally {
    counting.close()
    await server.stop()
  }
}

async function stopForAWhile(influx: TestServer, { say }: Context): Promise<void> {
  say(`stopping InfluxDB for ${OUTAGE.away} s`)
  await influx.halt()
  await sleep(OUTAGE.away * 1000)
  await influx.start()
  say('InfluxDB is back')
}

function outcomeOf(load: LoadResult): Outcome {
  const timeline = momentsOf(load)
  const most = (moments: readonly Moment[], of: (moment: Moment) => number): number => Math.max(...moments.map(of))
  const before = timeline.filter(({ atS }) => atS < OUTAGE.before)
  const rssMB = ({ rssMB }: Moment): number => rssMB
  return {
    figures: {
      'RSS more than before': most(timeline, rssMB) - most(before, rssMB),
      lost: lostOf(load),
      'spooled at most': most(timeline, ({ spooled }) => spooled),
      'caught up after': caughtUpAfterS(timeline, load.settleMs / 1000),
    },
    notes: load.balance === '' ? [] : [load.balance],
    timeline,
  }
}

/** From the start of the store until the spool is empty. */
function caughtUpAfterS(timeline: readonly Moment[], settleS: number): number {
  const backAtS = OUTAGE.before + OUTAGE.away
  const empty = timeline.find(({ atS, spooled }) => atS >= backAtS && spooled === 0)
  return empty === undefined ? OUTAGE.after + settleS : empty.atS - backAtS
}

function momentsOf({ timeline }: LoadResult): Moment[] {
  return timeline.map(({ atMs, rssBytes, sent, held, spooled }) => ({
    atS: Math.round(atMs / 1000),
    rssMB: Math.round(rssBytes / 1e5) / 10,
    ...{ sent, held: held - spooled, spooled },
  }))
}

function isOk({ ok }: Response): boolean {
  return ok
}
