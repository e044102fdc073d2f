import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { type HostFigures, NO_FIGURES } from '../../internal/view/hosts/figures.ts'
import type { PipelineSummary } from '../../internal/view/pipeline/figures.ts'
import type { QueueFigures } from '../../internal/view/queue/figures.ts'
import { cellsAnswer, type FakeFabric, fabricsAnswer, switchHistory } from './fake-fabric.ts'
import { eventsAnswer, type FakeGpus, gpuFigures, gpuHistory, gpuList, gpuSamples } from './fake-gpus.ts'

/** A host of the fake API. */
export interface FakeHost {
  readonly name: string
  /** The middle of its CPU use, percent. */
  readonly cpu: number
  /** Its file systems; 2 by default. */
  readonly disks?: number
  /** How long the host has sent nothing; 10 s and more make it stale. */
  readonly silentMs?: number
  /** Of an exporter alone: no agent measures the host. */
  readonly gpusAlone?: number
}

/** An answer in place of the one that was asked for. */
interface Refusal {
  readonly status?: number
  /** When it may be asked again. */
  readonly retryAfterSeconds?: number
}

/** With a status, every request is refused. */
export interface FakeApiOptions extends Refusal {
  readonly hosts: readonly FakeHost[]
  /** How far the history reaches back. */
  readonly historyMs?: number
  /** Keys that may ask, by their text; without it none is needed. */
  readonly keys?: Readonly<Record<string, { readonly name: string; readonly scopes: readonly string[] }>>
  /** The delay of every answer. */
  readonly delayMs?: number
  /** How far the clock of the server is ahead. */
  readonly aheadMs?: number
  /** The most points of an answer; more are refused. */
  readonly maxPoints?: number
  /** A window without samples, ms before the start. */
  readonly gap?: { readonly fromMs: number; readonly toMs: number }
  /** Own metrics of the server that differ from those of a healthy one. */
  readonly pipeline?: Partial<PipelineSummary>
  readonly fabric?: FakeFabric
  readonly gpus?: FakeGpus
  /** Undefined: its Redis is away. */
  readonly queue?: (atMs: number) => QueueFigures | undefined
}

const CSP = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; object-src 'none'"
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
}
const GIB = 2 ** 30
const MEASUREMENTS = ['cpu', 'mem', 'system', 'disk', 'diskio', 'net']

/** Before the first program reports. */
const NO_PROGRAM: Partial<PipelineSummary> = { programs: 0, servers: 0, seenAt: null }

const NO_GPUS: FakeGpus = { count: 0 }

/** What a stream shall bring. */
interface Wants {
  readonly hosts: string[] | undefined
  readonly measurements: string[] | undefined
  readonly pipeline: boolean
  /** All GPUs. */
  readonly gpus: boolean
  /** One GPU. */
  readonly gpu: string | null
  readonly port: string | null
}

interface FakeSeries {
  readonly tags: Record<string, string>
  readonly fields: (atMs: number) => Record<string, number>
}

/** A wave that looks like a machine at work. It depends on the time alone, so history and live samples agree. */
function wave(seed: number, atMs: number): number {
  const t = atMs / 1000
  const slow = Math.sin(t / 97 + seed) * 0.5 + Math.sin(t / 31 + seed * 3) * 0.3
  const noise = Math.sin(Math.floor(t) * 12.9898 + seed * 78.233) * 43758.5453
  return slow + (noise - Math.floor(noise) - 0.5) * 0.5
}

function seriesOf({ name, cpu, disks = 2, gpusAlone }: FakeHost, measurement: string): FakeSeries[] {
  if (gpusAlone !== undefined) return []
  const seed = [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) % 1000
  const around = (middle: number, spread: number, atMs: number, salt = 0) => middle + spread * wave(seed + salt, atMs)
  const counter = (rate: number, atMs: number, salt: number) =>
    Math.round((rate * atMs) / 1000 + rate * 40 * Math.sin(atMs / 60_000 + seed + salt))
  const one = (fields: FakeSeries['fields'], tags: Record<string, string> = {}) => [
    { tags: { host: name, ...tags }, fields },
  ]
  if (measurement === 'cpu') {
    return one(
      (at) => {
        const usage_user = Math.max(0, around(cpu * 0.7, Math.min(cpu * 0.25, 8), at))
        const usage_system = Math.max(0, around(cpu * 0.24, cpu * 0.08, at, 5))
        const usage_iowait = Math.max(0, around(cpu * 0.05, cpu * 0.05, at, 9))
        const usage_softirq = Math.max(0, around(0.4, 0.2, at, 11))
        const busy = usage_user + usage_system + usage_iowait + usage_softirq
        return {
          usage_user,
          usage_system,
          usage_iowait,
          usage_softirq,
          usage_nice: 0,
          usage_steal: 0,
          usage_idle: Math.max(0, 100 - busy),
        }
      },
      { cpu: 'cpu-total' },
    )
  }
  if (measurement === 'mem') {
    return one((at) => {
      const used = around(6.1, 0.6, at, 2) * GIB
      const cached = around(5.2, 0.3, at, 3) * GIB
      return { total: 15.6 * GIB, used, cached, buffered: 0.3 * GIB, free: 15.3 * GIB - used - cached }
    })
  }
  if (measurement === 'system') {
    return one((at) => ({
      load1: Math.max(0, around(cpu / 24, 0.3, at)),
      load5: Math.max(0, around(cpu / 26, 0.1, at, 1)),
      load15: cpu / 28,
    }))
  }
  if (measurement === 'disk') {
    const disk = (device: string, path: string, percent: number) =>
      one((at) => ({ used_percent: percent + Math.sin(at / 3_600_000 + seed) }), { device, path, fstype: 'ext4' })
    const more = Array.from({ length: disks - 2 }, (_, index) =>
      disk(`sd${index}`, `/srv/data-${index + 1}`, 20 + index),
    )
    return [...disk('sda1', '/', 61), ...disk('sda1', '/var/lib/data', 37), ...more.flat()]
  }
  if (measurement === 'diskio') {
    const disk = (device: string) =>
      one((at) => ({ read_bytes: counter(800_000, at, 1), write_bytes: counter(2_400_000, at, 2) }), { name: device })
    return [...disk('sda'), ...disk('sda1')]
  }
  const link = (name: string, down: number, up: number) =>
    one((at) => ({ bytes_recv: counter(down, at, 3), bytes_sent: counter(up, at, 4) }), { interface: name })
  const bridge = link('br0', 3_100_000, 400_000).map(({ tags, fields }) => ({
    tags: { ...tags, stacked: 'true' },
    fields,
  }))
  return [...link('eth0', 3_100_000, 400_000), ...link('lo', 9_000_000, 9_000_000), ...bridge]
}

/**
 * Takes the place of the API in states that are hard to get from the real one: fifty hosts, stale hosts, no host at all, 401, a
 * slow answer, a gap in the history. Serves `dist/web` under the Content-Security-Policy of the product.
 */
export class FakeApi {
  options: FakeApiOptions
  readonly #server: Server
  readonly #streams = new Set<ServerResponse>()
  readonly startedAtMs: number
  readonly #timer: NodeJS.Timeout
  #generation = 0
  #refusal: Refusal | undefined

  private constructor(options: FakeApiOptions) {
    this.options = options
    this.startedAtMs = this.#now
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#timer = setInterval(() => this.#tick(), 1000)
  }

  static async start(options: FakeApiOptions, port = 0): Promise<FakeApi> {
    const api = new FakeApi(options)
    await new Promise<void>((resolve) => api.#server.listen(port, '127.0.0.1', resolve))
    return api
  }

  get #now(): number {
    return Date.now() + (this.options.aheadMs ?? 0)
  }

  get openStreams(): number {
    return this.#streams.size
  }

  /** Ends the streams, and answers those who come back with this; undefined lets them in again. */
  refuseStreams(refusal: Refusal | undefined): void {
    this.#refusal = refusal
    if (refusal !== undefined) for (const response of this.#streams) response.end()
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return `http://127.0.0.1:${address.port}`
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (!url.pathname.startsWith('/api/')) return this.#file(url.pathname, response)
    if (this.options.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, this.options.delayMs))
    const refusal = url.pathname.endsWith('/live') ? (this.#refusal ?? this.options) : this.options
    if (refusal.status !== undefined) {
      response.setHeader('retry-after', refusal.retryAfterSeconds ?? 1)
      return problem(response, refusal.status, 'The test asked for this.')
    }
    if (!this.#mayAsk(url, request, response)) return
    if (url.pathname === '/api/v1/hosts') return json(response, this.#hosts(url.searchParams))
    if (url.pathname === '/api/v1/live') return this.#live(url, request, response)
    if (url.pathname === '/api/v1/pipeline/live') return this.#live(url, request, response)
    if (url.pathname === '/api/v1/gpus/live') return this.#live(url, request, response)
    if (url.pathname === '/api/v1/events') return json(response, eventsAnswer(this.options.gpus, this.startedAtMs))
    const ofGpu = /^\/api\/v1\/gpus\/([^/]+)\/metrics$/.exec(url.pathname)?.[1]
    if (ofGpu?.startsWith('unknown')) return problem(response, 404, 'There is no such GPU.')
    if (ofGpu !== undefined) return json(response, gpuHistory(decodeURIComponent(ofGpu), url.searchParams, this.#now))
    if (url.pathname === '/api/v1/queue') return queue(request, response, this.options.queue?.(this.#now))
    const { fabric } = this.options
    if (url.pathname === '/api/v1/fabrics') return json(response, fabricsAnswer(fabric, this.#now))
    if (url.pathname === '/api/v1/fabrics/cells')
      return json(response, cellsAnswer(fabric!, url.searchParams, this.#now))
    const ofSwitch = /^\/api\/v1\/switches\/([^/]+)\/metrics$/.exec(url.pathname)?.[1]
    if (ofSwitch !== undefined) return json(response, switchHistory(decodeURIComponent(ofSwitch), url.searchParams))
    const name = /^\/api\/v1\/hosts\/([^/]+)\/metrics$/.exec(url.pathname)?.[1]
    const host = this.options.hosts.find((known) => known.name === decodeURIComponent(name ?? ''))
    if (host === undefined) return problem(response, 404, 'There is no such host.')
    const answer = this.#metrics(host, url.searchParams)
    const points = answer.series.reduce((sum, { points }) => sum + points.length, 0)
    if (points > (this.options.maxPoints ?? Infinity))
      return problem(response, 400, 'Too many points.', { parameter: 'every' })
    json(response, answer)
  }

  /** Answers itself where the request lacks a key, and where it asks whose key it has. */
  #mayAsk({ pathname }: URL, { headers }: IncomingMessage, response: ServerResponse): boolean {
    const { keys } = this.options
    const sent = headers['x-api-key']
    const key = keys?.[String(sent)]
    const isWho = pathname === '/api/v1/whoami'
    if (keys !== undefined && key === undefined && !(isWho && sent === undefined)) {
      problem(response, 401, 'an API key is missing or wrong')
      return false
    }
    if (isWho) {
      const { name = null, scopes = keys === undefined ? ['read', 'write', 'admin'] : [] } = key ?? {}
      json(response, { keyNeeded: keys !== undefined, name, scopes, endsAt: null })
      return false
    }
    if (key === undefined || key.scopes.includes('read')) return true
    problem(response, 403, `this needs a key with the scope read; this one has ${key.scopes}`, { scope: 'read' })
    return false
  }

  async #file(path: string, response: ServerResponse): Promise<void> {
    const file = join('dist/web', path === '/' ? 'index.html' : path)
    const found = await stat(file).catch(() => null)
    if (found === null) return problem(response, 404, 'No such file.')
    response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream')
    response.setHeader('content-security-policy', CSP)
    createReadStream(file).pipe(response)
  }

  #newestAt(host: FakeHost): number {
    return Math.floor((this.#now - (host.silentMs ?? 0)) / 1000) * 1000
  }

  #hosts(question: URLSearchParams): unknown {
    const [part, exact] = [question.get('contains') ?? '', question.get('host')]
    const matching = this.options.hosts.filter(({ name }) => (exact === null ? name.includes(part) : name === exact))
    const from = matching.findIndex(({ name }) => name === question.get('after')) + 1
    const to = from + Number(question.get('limit') ?? 10_000)
    const hosts = matching.slice(from, to).map((host) => {
      const at = this.#newestAt(host)
      const cpu = seriesOf(host, 'cpu')[0]?.fields(at)
      const stale = (host.silentMs ?? 0) > 10_000
      const figures: HostFigures = {
        cpuPercent: 100 - (cpu?.usage_idle ?? 0),
        memPercent: 41,
        load1: 0.42,
        cores: 8,
        uptimeSeconds: 1_036_800,
        os: 'Debian GNU/Linux 12',
        agentVersion: '0.1.0',
        conflict: null,
      }
      const ageMs = this.#now - at
      const cpuPercent = host.gpusAlone === undefined ? figures.cpuPercent : null
      if (question.get('brief') === 'true') return { host: host.name, ageMs, stale, cpuPercent }
      return {
        gpu_count: host.gpusAlone ?? 0,
        host: host.name,
        lastSeenAt: at * 1000,
        ageMs,
        stale,
        clockOffsetMs: 0,
        ...(host.gpusAlone === undefined ? figures : NO_FIGURES),
      }
    })
    const next = to < matching.length ? matching[to - 1]!.name : null
    return { now: this.#now * 1000, total: matching.length, next, hosts }
  }

  #metrics(host: FakeHost, query: URLSearchParams) {
    const everyMs = Number.parseFloat(query.get('every') ?? '1') * 1000
    const [start, end] = ['start', 'end'].map((name) => Number(query.get(name)) / 1000) as [number, number]
    const from = Math.max(start, this.startedAtMs - (this.options.historyMs ?? 7 * 86_400_000))
    const to = Math.min(end, this.#newestAt(host) + 1)
    const gap = this.options.gap
    const fields = (query.get('field') ?? '').split(',')
    const series = seriesOf(host, query.get('measurement') ?? '').flatMap(({ tags, fields: valuesAt }) =>
      fields
        .filter((field) => field in valuesAt(0))
        .map((field) => {
          const points: [number, number][] = []
          for (let at = Math.ceil(from / everyMs) * everyMs; at < to; at += everyMs) {
            const age = this.startedAtMs - at
            if (gap !== undefined && age < gap.fromMs && age > gap.toMs) continue
            points.push([at * 1000, valuesAt(at)[field]!])
          }
          return { field, tags, points }
        }),
    )
    return { host: host.name, measurement: query.get('measurement'), everyMs, series }
  }

  #live(url: URL, request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write('retry: 1000\n\n')
    const [hosts, measurements] = ['host', 'measurement'].map((name) => url.searchParams.get(name)?.split(','))
    const [gpu, port] = ['gpu', 'switch'].map((name) => url.searchParams.get(name))
    const [pipeline, gpus] = ['pipeline', 'gpus'].map((part) => url.pathname.includes(part))
    Object.assign(response, { wants: { hosts, measurements, pipeline, gpus, gpu, port } })
    this.#streams.add(response)
    request.on('close', () => this.#streams.delete(response))
    if (gpus) response.write(`event: gpus\ndata: ${JSON.stringify(gpuList(this.options.gpus ?? NO_GPUS))}\n\n`)
    this.#send(response)
  }

  #tick(): void {
    this.#generation++
    for (const response of this.#streams) this.#send(response)
  }

  #sendGpus(response: ServerResponse, all: boolean, one: string | null): void {
    const gpus = this.options.gpus ?? NO_GPUS
    const nowMs = Math.floor(this.#now / 1000) * 1000
    const [event, data] = all
      ? ['figures', gpuFigures(gpus, nowMs)]
      : ['samples', one === null ? [] : gpuSamples(gpus, one, nowMs)]
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  #send(response: ServerResponse): void {
    const { hosts, measurements, pipeline, gpus, gpu, port } = (response as ServerResponse & { wants: Wants }).wants
    if (gpus || gpu !== null || port !== null) {
      this.#sendGpus(response, gpus, gpu)
      return
    }
    if (pipeline) {
      const summary = pipelineSummary(this.options.hosts.length > 0 ? this.options.pipeline : NO_PROGRAM)
      response.write(`event: pipeline\ndata: ${JSON.stringify(summary)}\n\n`)
      return
    }
    const samples = this.options.hosts
      .filter(({ name, silentMs }) => (hosts === undefined || hosts.includes(name)) && silentMs === undefined)
      .flatMap((host) =>
        MEASUREMENTS.filter((name) => measurements === undefined || measurements.includes(name)).flatMap(
          (measurement) =>
            seriesOf(host, measurement).map(({ tags, fields }) => {
              const at = this.#newestAt(host)
              return { measurement, tags, fields: fields(at), at: at * 1000, arrivedAt: at * 1000 }
            }),
        ),
      )
    if (samples.length > 0)
      response.write(`event: samples\nid: 1-${this.#generation}\ndata: ${JSON.stringify(samples)}\n\n`)
  }
}

function pipelineSummary(changes: FakeApiOptions['pipeline'] = {}): PipelineSummary {
  const at = Math.floor(Date.now() / 1000) * 1000
  const near = (value: number) => value * (1 + 0.1 * wave(4, at))
  return {
    ...{ programs: 2, servers: 1, seenAt: at * 1000, samplesPerSecond: near(24_910) },
    ...{ e2eP50Us: near(900), e2eP99Us: near(3100), durableP50Us: near(9000), durableP99Us: near(28_000) },
    ...{ lost: 0, dropped: 0, rejected: 0, held: 0, onDisk: 0, deadLetters: 0, lostAtMost: 0, lostKnown: true },
    ...{ storeAwayMs: null, serversBehind: 0, broker: 'memory', store: 'duckdb', ...changes },
  }
}

function queue(request: IncomingMessage, response: ServerResponse, figures: QueueFigures | undefined): void {
  if (figures === undefined) {
    problem(response, 503, 'Redis does not answer.')
    return
  }
  const tag = `W/"${createHash('sha1').update(JSON.stringify(figures)).digest('hex')}"`
  response.setHeader('etag', tag)
  if (request.headers['if-none-match'] === tag) response.writeHead(304).end()
  else json(response, figures)
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function problem(response: ServerResponse, status: number, detail: string, more: object = {}): void {
  response
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ type: 'about:blank', title: 'Problem', status, detail, ...more }))
}
