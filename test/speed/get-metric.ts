import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { freePort } from '../support/servers.ts'
import { cpuUsOf, runHelper, startHelper } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'

const CONNECTIONS = 50
/** How often they take turns, so that what disturbs the machine disturbs both. */
const TURNS = 5
/** Where a process has less of a core to spare, it is what the figure is about. */
const BUSY = 0.9

/** What a client of http-client-process.ts found. */
interface Asked {
  readonly requests: number
  readonly seconds: number
  readonly cpuUs: number
}

interface Side {
  readonly url: string
  readonly pid: number
}

export const getMetric: Row = {
  id: 'getmetric',
  page: 'speed',
  what: `GetMetric (GET /api/v1/hosts of \`sentinel up\`), ${CONNECTIONS} connections, beside a bare node:http that answers the same bytes with Content-Length`,
  command: 'npm run speed -- --rows getmetric',
  figures: [
    { name: 'beside bare', unit: '×', decimals: 2, reach: { atLeast: 0.8 } },
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
    args: ['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, `--duckdb-path=${join(folder, 'a.duckdb')}`],
  })
  try {
    const api = new ApiClient(apiPort)
    await api.firstHost()
    const url = `${api.url}/api/v1/hosts`
    const body = await fetch(url).then((response) => response.text())
    const bare = await startHelper('bare-http', [body], signal)
    try {
      return await compare({ url, pid: up.pid }, { url: `http://127.0.0.1:${bare.line}/`, pid: bare.pid }, context)
    } finally {
      await bare.stop()
    }
  } finally {
    await up.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function compare(ours: Side, bare: Side, { settings, signal, say }: Context): Promise<Outcome> {
  const seconds = settings.seconds / TURNS / 2
  const [ofOurs, ofBare] = [new Tally(ours), new Tally(bare)]
  for (let turn = 1; turn <= TURNS; turn++) {
    say(`turn ${turn} of ${TURNS}, ${seconds} s each`)
    await ofOurs.add(seconds, signal)
    await ofBare.add(seconds, signal)
  }
  return {
    figures: {
      'beside bare': ofOurs.perSecond / ofBare.perSecond,
      GetMetric: ofOurs.perSecond,
      bare: ofBare.perSecond,
      'server CPU': ofOurs.serverCpuUs,
      'bare CPU': ofBare.serverCpuUs,
    },
    notes: [`at its limit: ${ofOurs.busiest} for GetMetric, ${ofBare.busiest} for bare`],
  }
}

/** What was seen of one server, over all its turns. */
class Tally {
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
    const asked = await runHelper<Asked>('http-client', [url, `${CONNECTIONS}`, `${seconds}`], signal)
    // The server's CPU includes the client's warm-up, in which it is as busy: its part of the time is taken away.
    const measured = asked.seconds / ((performance.now() - startedAtMs) / 1000)
    this.#serverUs += (cpuUsOf(pid) - before) * measured
    this.#requests += asked.requests
    this.#seconds += asked.seconds
    this.#clientUs += asked.cpuUs
  }

  get perSecond(): number {
    return this.#requests / this.#seconds
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
