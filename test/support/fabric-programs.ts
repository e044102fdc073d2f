import { expect } from 'vitest'
import { metric } from './api.ts'
import { type CountersTable, isSameCell } from './counters-table.ts'
import { type Program, type ProgramOptions, startProgram } from './programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from './servers.ts'

export const DATABASE = 'telemetry'

export interface Running {
  readonly program: Program
  readonly admin: string
}

export interface RunningGenerator extends Running {
  /** Of the counters. */
  readonly url: string
}

/** What `/telemetry/stats` says of a target. */
export interface TargetStats {
  readonly target: string
  readonly publisher: string
  readonly up: boolean
  readonly stale: boolean
  readonly ageMs: number
  readonly takenAt: number
  readonly rows: number
  readonly error?: string
}

/** The programs of a pipeline of fabrics, each a process, over a Redis of their own. */
export class FabricPrograms {
  readonly redis: TestServer
  readonly influx: TestServer | undefined
  readonly #programs: Program[] = []

  private constructor(redis: TestServer, influx: TestServer | undefined) {
    this.redis = redis
    this.influx = influx
  }

  static async open(options: { readonly influx: boolean }): Promise<FabricPrograms> {
    const [redis, influx] = await Promise.all([startRedis(), options.influx ? startInflux() : undefined])
    return new FabricPrograms(redis, influx)
  }

  async close(): Promise<void> {
    for (const program of this.#programs) {
      program.signal('SIGCONT')
      program.signal('SIGKILL')
    }
    await Promise.all(this.#programs.map(({ ended }) => ended))
    await Promise.all([this.redis.stop(), this.influx?.stop()])
  }

  async generator(args: readonly string[], port?: number): Promise<RunningGenerator> {
    const at = port ?? (await freePort())
    const running = await this.#start('generator', [`--port=${at}`, ...args], {}, 'started')
    return { ...running, url: `http://127.0.0.1:${at}/counters` }
  }

  /** An agent that asks often. It still works towards its first cycle when this resolves. */
  agent(args: readonly string[], redisUrl = this.redis.url): Promise<Running> {
    const all = ['--fabric-interval-ms=200ms', '--agent-interval-ms=1h', '--log-level=info', ...args]
    return this.#start('agent', all, { REDIS_URL: redisUrl }, 'fabric is asked')
  }

  server(args: readonly string[] = []): Promise<Running> {
    return this.#start('server', args, this.#servers, 'server consumes')
  }

  async api(args: readonly string[] = []): Promise<FabricClient> {
    const port = await freePort()
    await this.#start('api', [`--api-port=${port}`, '--api-stale-after-ms=1s', ...args], this.#servers, 'started')
    return new FabricClient(`http://127.0.0.1:${port}`)
  }

  get #servers(): Record<string, string> {
    return { REDIS_URL: this.redis.url, ...(this.influx === undefined ? {} : { INFLUX_URL: this.influx.url }) }
  }

  async #start(
    name: string,
    args: readonly string[],
    env: NonNullable<ProgramOptions['env']>,
    atWork: string,
  ): Promise<Running> {
    const adminPort = await freePort()
    const program = startProgram(name, { args: [`--admin-port=${adminPort}`, ...args], env })
    this.#programs.push(program)
    await program.logged(atWork)
    return { program, admin: `http://127.0.0.1:${adminPort}` }
  }
}

/** The resources of an API under `/telemetry`. */
export class FabricClient {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  /** Of the fabric `default` unless told otherwise. */
  async list(fabric = 'default'): Promise<{ status: number; etag: string | null; text: string }> {
    const response = await fetch(`${this.url}/telemetry/ListMetrics?shape=object&fabric=${fabric}`)
    return { status: response.status, etag: response.headers.get('etag'), text: await response.text() }
  }

  /** The text of the answer: the bare value. */
  async value(id: string, name: string, fabric = 'default'): Promise<string> {
    const query = new URLSearchParams({ switch_id: id, metric: name, fabric })
    return (await fetch(`${this.url}/telemetry/GetMetric?${query}`)).text()
  }

  /** Of the targets of a fabric; none before it is shown. */
  async targets(fabric = 'default'): Promise<TargetStats[]> {
    const stats = (await (await fetch(`${this.url}/telemetry/stats`)).json()) as {
      readonly fabrics: ReadonlyArray<{ readonly fabric: string; readonly targets: TargetStats[] }>
    }
    return stats.fabrics.find((one) => one.fabric === fabric)?.targets ?? []
  }

  /** Of a fabric that has one target. */
  async target(fabric = 'default'): Promise<TargetStats | undefined> {
    return (await this.targets(fabric))[0]
  }

  /** Waits until exactly these rows are listed, each with all values of its row. */
  async lists(table: CountersTable, fabric = 'default'): Promise<void> {
    const expected = table.values()
    let wrong = ''
    await until(`${fabric} is listed as it was given`, async () => {
      wrong = firstDifference(expected, await this.list(fabric))
      return wrong === ''
    }).catch((cause: unknown) => {
      throw new Error(wrong, { cause })
    })
  }

  /** Asks for each value alone. Integers have all their digits, and texts are quoted. */
  async gives(table: CountersTable, fabric = 'default'): Promise<void> {
    const wanted = [...table.values()].flatMap(([id, cells]) => [...cells].map(([name, cell]) => ({ id, name, cell })))
    const wrong: unknown[] = []
    const askNext = async (): Promise<void> => {
      for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
        const { id, name, cell } = next
        const text = await this.value(id, name, fabric)
        if (!isSameCell(cell, text) && text !== JSON.stringify(cell)) wrong.push({ ...next, text })
      }
    }
    await Promise.all(Array.from({ length: 8 }, askNext))
    expect(wrong).toEqual([])
  }
}

/** In words; '' for none. Integers beyond 2^53 are compared by `gives`. */
function firstDifference(
  expected: ReadonlyMap<string, ReadonlyMap<string, string>>,
  { status, text }: { status: number; text: string },
): string {
  if (status !== 200) return `the API answers ${status}: ${text}`
  const listed = new Map(Object.entries(JSON.parse(text) as Record<string, Record<string, unknown>>))
  if (listed.size !== expected.size) return `${listed.size} rows are listed, not ${expected.size}`
  for (const [id, cells] of expected) {
    const values = listed.get(id)
    if (values === undefined) return `${id} is not listed`
    if (Object.keys(values).length !== cells.size) return `${id} has ${Object.keys(values).length} values`
    for (const [name, cell] of cells) {
      const value = values[name]
      if (typeof value === 'string' ? value !== cell : value !== Number(cell))
        return `${id} ${name}: ${cell} became ${value}`
    }
  }
  return ''
}

/** Of a running program: the sum of a metric. */
export function figure({ admin }: Running, name: string, labels = ''): Promise<number> {
  return metric(admin, name, labels)
}
