import { metric } from '../support/api.ts'
import { influxQuery } from '../support/influx.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, until } from '../support/servers.ts'
import { cpuUsOf, runHelper } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'

/** The result of one intake-client-process.ts. */
export interface Posted {
  readonly seconds: number
  /** How many each connection had answered with 204, in turn: `firstPost`, and so on. */
  readonly posts: readonly number[]
  /** Answers 429, after which the same was posted again. */
  readonly again: number
  readonly firstPost: number
}

const DATABASE = 'telemetry'
const CONNECTIONS = 8
const LINES = 100
const SECONDS = 15
/** One of `SECONDS` before it: code is compiled, and series are known. */
const WARM_UP_SECONDS = 3
const DRAIN_MS = 120_000

export const intake: Row = {
  id: 'intake',
  page: 'sources',
  what: `Line protocol to the API by ${CONNECTIONS} connections, ${LINES} lines of as many series a POST, for ${SECONDS} s; API, server, Redis and InfluxDB are processes on the same cores. Lost: lines that got their 204 and are not in the database`,
  command: 'npm run speed -- --rows intake',
  figures: [
    { name: 'taken', unit: 'lines/s', decimals: 0, reach: { atLeast: 100_000 } },
    { name: 'lost', unit: 'lines', decimals: 0, reach: { atMost: 0 } },
    { name: 'API', unit: 'µs/line', decimals: 2 },
    { name: 'server', unit: 'µs/line', decimals: 2 },
    { name: 'Redis', unit: 'µs/line', decimals: 2 },
    { name: 'InfluxDB', unit: 'µs/line', decimals: 2 },
    { name: 'all stored after', unit: 's', decimals: 1 },
  ],
  run: measure,
}

async function measure({ signal, say }: Context): Promise<Outcome> {
  const [redis, influx] = [await startRedis(), await startInflux()]
  const [port, apiAdmin, serverAdmin] = [await freePort(), await freePort(), await freePort()]
  const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: 'streams' }
  const server = startProgram('server', { env, args: [`--admin-port=${serverAdmin}`] })
  const api = startProgram('api', {
    env,
    // One address makes more requests here than a sender does.
    args: [`--admin-port=${apiAdmin}`, `--api-port=${port}`, '--intake-requests-per-minute=1000000'],
  })
  const post = (seconds: number): Promise<Posted> =>
    runHelper('intake-client', [`http://127.0.0.1:${port}`, `${CONNECTIONS}`, `${LINES}`, `${seconds}`], signal)
  const drained = (): Promise<void> =>
    until(
      'all is stored',
      async () =>
        (await metric(`http://127.0.0.1:${apiAdmin}`, 'sentinel_outbox_samples')) === 0 &&
        (await metric(`http://127.0.0.1:${serverAdmin}`, 'sentinel_held_samples')) === 0 &&
        (await metric(`http://127.0.0.1:${serverAdmin}`, 'sentinel_broker_lag_messages')) === 0,
      DRAIN_MS,
    )
  try {
    await Promise.all([api.logged('api listens'), server.logged('server consumes')])
    say('warming up')
    await post(WARM_UP_SECONDS)
    await drained()
    await influxQuery(influx.url, DATABASE, 'DROP MEASUREMENT intake')
    const pids = { API: api.pid, server: server.pid, Redis: redis.pid, InfluxDB: influx.pid }
    const before = Object.entries(pids).map(([name, pid]) => [name, cpuUsOf(pid)] as const)
    say(`${SECONDS} s of lines`)
    const posted = await post(SECONDS)
    const answeredMs = performance.now()
    await drained()
    const drainedS = (performance.now() - answeredMs) / 1000
    const lines = posted.posts.reduce((sum, posts) => sum + posts, 0) * LINES
    const cpu = before.map(([name, us]) => [name, (cpuUsOf(pids[name as keyof typeof pids]) - us) / lines] as const)
    return {
      figures: {
        taken: lines / posted.seconds,
        lost: await lost(influx.url, posted),
        ...Object.fromEntries(cpu),
        'all stored after': drainedS,
      },
      notes: [`${posted.again} answers of 429, after which the same was posted again`],
    }
  } finally {
    await Promise.all([api.stop(), server.stop()])
    await Promise.all([redis.stop(), influx.stop()])
  }
}

/** Lines that were answered with 204 and are not in the database as they were. */
async function lost(url: string, { posts, firstPost }: Posted): Promise<number> {
  let missing = 0
  const query = 'SELECT count(post) AS n, sum(post) AS total, min(post), max(post) FROM intake GROUP BY host'
  const rows = new Map((await influxQuery(url, DATABASE, query)).map((row) => [String(row.host), row]))
  for (const [connection, count] of posts.entries()) {
    for (let line = 0; line < LINES; line++) {
      const { n = 0, total = 0 } = rows.get(`c${connection}-${line}`) ?? {}
      const sum = count * firstPost + (count * (count - 1)) / 2
      missing += Number(n) === count && Number(total) === sum ? 0 : Math.max(1, count - Number(n))
    }
  }
  return missing
}
