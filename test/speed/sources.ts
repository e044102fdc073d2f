import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { countText } from '../../internal/text/count.ts'
import { metric } from '../support/api.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, sleep, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'
import { Cores } from './cores.ts'
import { cpuUsOf, rssMBOf, startHelper } from './processes.ts'
import type { Context, Figure, Outcome, Row } from './row.ts'
import { FIELDS, MEASUREMENTS } from './sources-shape.ts'

/** What sources-process.ts prints. */
export interface Sources {
  /** Samples that all sources made, a second. */
  readonly ratePerSecond: number
  readonly produced: number
  /** Taken by Redis while a server listened. */
  readonly sent: number
  readonly dropped: number
  /** In the outboxes when the last sample was made. */
  readonly heldAtEnd: number
  /** From then until the outboxes were empty. */
  readonly settleMs: number
  /** The longest time in which a server took nothing of a source. */
  readonly longestSilenceMs: number
}

interface Load {
  readonly id: string
  readonly what: string
  readonly sources: number
  readonly intervalMs: number
  readonly figures: readonly Figure[]
}

const DATABASE = 'telemetry'
/** What stands in outboxes when the load ends may take as long to be taken as the load was, and longer. */
const SETTLE_S = 240
/** InfluxDB still compacts what it was given late. */
const COUNT_TIMEOUT_MS = 300_000
const STORED_WITHIN_MS = 240_000

const LOST: Figure = { name: 'lost', unit: 'samples', decimals: 0, reach: { atMost: 0 } }
const SAMPLES: Figure = { name: 'samples', unit: '/s', decimals: 0 }
const FRAME = `a frame of ${MEASUREMENTS.length} samples of ${FIELDS.length} fields each`

export const agents5k = rowOf({
  id: 'agents-5k',
  what: `${countText(5_000)} agents, ${FRAME} a second, on one server with a real InfluxDB`,
  ...{ sources: 5_000, intervalMs: 1_000 },
  figures: [
    { name: 'server CPU', unit: 'cores', decimals: 2, reach: { atMost: 0.4 } },
    { name: 'RSS', unit: 'MB', decimals: 0, reach: { atMost: 200 } },
    LOST,
    SAMPLES,
  ],
})
export const agents10k = rowOf({
  id: 'agents-10k',
  what: `${countText(10_000)} agents in the same way`,
  ...{ sources: 10_000, intervalMs: 1_000 },
  figures: [
    { name: 'server CPU', unit: 'cores', decimals: 2 },
    { name: 'RSS', unit: 'MB', decimals: 0, reach: { atMost: 300 } },
    LOST,
    SAMPLES,
  ],
})
export const agentsOverload = rowOf({
  id: 'agents-overload',
  what: `${countText(10_000)} agents that send as many frames as this machine makes, at most four a second each: more than twice what it carries`,
  ...{ sources: 10_000, intervalMs: 250 },
  figures: [
    LOST,
    { name: 'offered beside carried', unit: '×', decimals: 2, reach: { atLeast: 2 } },
    { name: 'longest silence of a source', unit: 's', decimals: 1 },
    { name: 'kept by the agents at the end', unit: 'samples', decimals: 0 },
    { name: 'RSS', unit: 'MB', decimals: 0 },
    SAMPLES,
  ],
})

function rowOf({ id, what, sources, intervalMs, figures }: Load): Row {
  return {
    ...{ id, page: 'sources', what, figures },
    command: `npm run speed -- --rows ${id}`,
    samples: ({ seconds }) => (sources * MEASUREMENTS.length * (seconds + 30) * 1000) / intervalMs,
    async run(context) {
      const redis = await startRedis()
      try {
        const influx = await startInflux()
        try {
          return await serve(redis, influx, sources, intervalMs, context)
        } finally {
          await influx.stop()
        }
      } finally {
        await redis.stop()
      }
    },
  }
}

async function serve(
  redis: TestServer,
  influx: TestServer,
  sourceCount: number,
  intervalMs: number,
  context: Context,
): Promise<Outcome> {
  const { settings, signal, say } = context
  const admin = `http://127.0.0.1:${await freePort()}`
  const { port } = new URL(admin)
  const server = startProgram('server', {
    env: { REDIS_URL: redis.url, INFLUX_URL: influx.url, INFLUX_BUCKET: DATABASE, SENTINEL_ADMIN_PORT: port },
  })
  try {
    await until('the server is ready', () =>
      fetch(`${admin}/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    say(`${countText(sourceCount)} sources, a frame each ${intervalMs} ms, until each has sent`)
    const args = [redis.url, `${sourceCount}`, `${intervalMs}`, `${settings.seconds}`, `${SETTLE_S}`]
    const helper = await startHelper('sources', args, signal)
    try {
      say(`for ${settings.seconds} s`)
      const watched = await watch(server, admin, settings.seconds, signal)
      say('until the outboxes are empty, and all is stored')
      const sent = JSON.parse(await helper.nextLine()) as Sources
      const stored = await storedOf(influx, sent.sent, signal)
      return outcomeOf(watched, sent, stored)
    } finally {
      await helper.stop()
    }
  } finally {
    await server.stop()
  }
}

interface Watched {
  readonly cores: number
  readonly rssMB: number
  readonly writtenPerSecond: number
  readonly coresText: string
}

/** The server's use of the machine while the sources send. */
async function watch({ pid }: Program, admin: string, seconds: number, signal: AbortSignal): Promise<Watched> {
  const written = (): Promise<number> => metric(admin, 'sentinel_written_samples_total')
  const before = { cpuUs: cpuUsOf(pid), written: await written(), atMs: performance.now() }
  const cores = new Cores()
  let rssMB = 0
  while (performance.now() < before.atMs + seconds * 1000) {
    await sleep(500)
    signal.throwIfAborted()
    rssMB = Math.max(rssMB, rssMBOf(pid))
  }
  const elapsedS = (performance.now() - before.atMs) / 1000
  return {
    cores: (cpuUsOf(pid) - before.cpuUs) / 1e6 / elapsedS,
    rssMB,
    coresText: cores.text(),
    writtenPerSecond: ((await written()) - before.written) / elapsedS,
  }
}

/** Samples of the sources in the store, once it has as many as were sent, or has had time for it. */
async function storedOf(influx: TestServer, sent: number, signal: AbortSignal): Promise<number> {
  const transport = new InfluxTransport({ url: influx.url, answerTimeoutMs: COUNT_TIMEOUT_MS })
  try {
    const endMs = performance.now() + STORED_WITHIN_MS
    for (;;) {
      const stored = await count(transport, signal)
      if (stored >= sent || performance.now() > endMs) return stored
      await sleep(2_000)
    }
  } finally {
    transport.close()
  }
}

async function count(transport: InfluxTransport, signal: AbortSignal): Promise<number> {
  const q = `SELECT count(${FIELDS[0]}) FROM ${MEASUREMENTS.map((name) => `"${name}"`).join(', ')}`
  const { body } = await transport.send(
    { method: 'GET', path: `/query?${new URLSearchParams({ db: DATABASE, q })}` },
    signal,
  )
  const { results } = JSON.parse(body) as {
    results?: ReadonlyArray<{ series?: ReadonlyArray<{ values: ReadonlyArray<readonly [string, number]> }> }>
  }
  if (results === undefined) throw new Error(`the store cannot be asked how many samples it has: ${body}`)
  return (results[0]?.series ?? []).reduce((total, { values }) => total + values[0]![1], 0)
}

function outcomeOf({ cores, rssMB, writtenPerSecond, coresText }: Watched, sent: Sources, stored: number): Outcome {
  return {
    figures: {
      'server CPU': cores,
      RSS: rssMB,
      lost: sent.produced - stored,
      samples: sent.ratePerSecond,
      'offered beside carried': sent.ratePerSecond / writtenPerSecond,
      'longest silence of a source': sent.longestSilenceMs / 1000,
      'kept by the agents at the end': sent.heldAtEnd,
    },
    notes: [
      'RSS is the largest seen, twice a second',
      coresText,
      ...(sent.dropped > 0 ? [`the agents dropped ${sent.dropped} samples`] : []),
      ...(sent.settleMs > 1_000
        ? [`the outboxes were empty ${(sent.settleMs / 1000).toFixed(0)} s after the end`]
        : []),
    ],
  }
}
