import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from '../bench/median.ts'
import { ApiClient } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import { cpuUsOf, type Helper, runHelper, startHelper } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'

const CONNECTIONS = 50
/** How often they take turns. A disturbance then hits all of them, and the median of many short turns leaves it out. */
const TURNS = 11
/** Requests of this machine have no limit, so each says that a proxy brings it from elsewhere. The address is one for documentation. */
const FROM_ELSEWHERE = 'X-Forwarded-For: 192.0.2.1'
/** The headers that node:http adds by itself. */
const OWN_HEADERS = new Set(['connection', 'content-length', 'date', 'keep-alive'])
/** A process that uses more of a core than this limits the rate. */
const BUSY = 0.9

/** The result of one http-client-process.ts. */
interface Asked {
  readonly requests: number
  readonly seconds: number
  readonly cpuUs: number
}

/** `bare`: with the headers that an answer needs. `alike`: with all headers of ours. */
type Name = 'ours' | 'bare' | 'alike'

interface Side {
  readonly url: string
  readonly pid: number
}

export const getMetric: Row = {
  id: 'getmetric',
  page: 'speed',
  what: `GetMetric (GET /api/v1/hosts of \`sentinel up\`) as a client of the network gets it, through a proxy and with its limits counted, ${CONNECTIONS} connections, beside a bare node:http that answers the same bytes with Content-Length`,
  command: 'npm run speed -- --rows getmetric',
  figures: [
    { name: 'beside bare', unit: '×', decimals: 3, reach: { atLeast: 0.6 } },
    { name: 'beside bare with the same headers', unit: '×', decimals: 3 },
    { name: 'GetMetric', unit: 'requests/s', decimals: 0 },
    { name: 'bare', unit: 'requests/s', decimals: 0 },
    { name: 'server CPU', unit: 'µs/request', decimals: 1 },
    { name: 'bare CPU', unit: 'µs/request', decimals: 1 },
  ],
  run,
}

async function run(context: Context): Promise<Outcome> {
  const { signal } = context
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-speed-'))
  const [apiPort, adminPort] = [await freePort(), await freePort()]
  const up = startProgram('sentinel', {
    args: [
      ...['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, `--duckdb-path=${join(folder, 'a.duckdb')}`],
      ...['--api-trust-proxy', '--api-requests-per-minute=1000000000'],
    ],
  })
  try {
    const api = new ApiClient(apiPort)
    await api.firstHost()
    const url = `${api.url}/api/v1/hosts`
    const answer = await fetch(url)
    const body = await answer.text()
    const allHeaders = Object.fromEntries([...answer.headers].filter(([name]) => !OWN_HEADERS.has(name)))
    const fewHeaders = { 'content-type': allHeaders['content-type'] }
    const [bare, alike] = [await startBare(body, fewHeaders, signal), await startBare(body, allHeaders, signal)]
    try {
      return await compare({ ours: { url, pid: up.pid }, bare, alike }, context)
    } finally {
      await bare.stop()
      await alike.stop()
    }
  } finally {
    await up.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function startBare(body: string, headers: object, signal: AbortSignal): Promise<Side & Pick<Helper, 'stop'>> {
  const helper = await startHelper('bare-http', [body, JSON.stringify(headers)], signal)
  return { url: `http://127.0.0.1:${helper.line}/`, pid: helper.pid, stop: () => helper.stop() }
}

async function compare(sides: Record<Name, Side>, { settings, signal, say }: Context): Promise<Outcome> {
  const seconds = settings.seconds / TURNS
  const seen = { ours: new Tally(sides.ours), bare: new Tally(sides.bare), alike: new Tally(sides.alike) }
  for (let turn = 1; turn <= TURNS; turn++) {
    say(`turn ${turn} of ${TURNS}, ${seconds.toFixed(1)} s each`)
    for (const tally of Object.values(seen)) await tally.add(seconds, signal)
  }
  const { ours, bare, alike } = seen
  return {
    figures: {
      'beside bare': ratioOf(ours, bare),
      'beside bare with the same headers': ratioOf(ours, alike),
      GetMetric: median(ours.rates),
      bare: median(bare.rates),
      'server CPU': ours.serverCpuUs,
      'bare CPU': bare.serverCpuUs,
    },
    notes: [`at its limit: ${ours.busiest} for GetMetric, ${bare.busiest} for bare`],
  }
}

/** The median over the turns of the ratio within each turn. */
function ratioOf(ours: Tally, other: Tally): number {
  return median(ours.rates.map((rate, turn) => rate / other.rates[turn]!))
}

/** The results of one server over all its turns. */
class Tally {
  /** Requests a second, by turns. */
  readonly rates: number[] = []
  readonly #side: Side
  #requests = 0
  #seconds = 0
  #clientUs = 0
  #serverUs = 0

  constructor(side: Side) {
    this.#side = side
  }

  async add(seconds: number, signal: AbortSignal): Promise<void> {
    const { url, pid } = this.#side
    const before = cpuUsOf(pid)
    const startedAtMs = performance.now()
    const asked = await runHelper<Asked>('http-client', [url, `${CONNECTIONS}`, `${seconds}`, FROM_ELSEWHERE], signal)
    // The server's CPU time includes the client's warm-up, in which it is as busy. The share of the warm-up is taken
    // off.
    const measured = asked.seconds / ((performance.now() - startedAtMs) / 1000)
    this.#serverUs += (cpuUsOf(pid) - before) * measured
    this.rates.push(asked.requests / asked.seconds)
    this.#requests += asked.requests
    this.#seconds += asked.seconds
    this.#clientUs += asked.cpuUs
  }

  get serverCpuUs(): number {
    return this.#serverUs / this.#requests
  }

  get busiest(): string {
    const server = this.#serverUs / 1e6 / this.#seconds
    const client = this.#clientUs / 1e6 / this.#seconds
    if (Math.max(server, client) < BUSY) return 'neither process (the machine)'
    return server >= client ? 'the server' : 'the client'
  }
}
