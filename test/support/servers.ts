import { execFile } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { askRedis } from '../../bench/stack/ask.ts'
import { Child } from '../../bench/stack/child.ts'
import { lookUpProgram } from '../../bench/stack/find-programs.ts'
import { startKeeper } from '../../bench/stack/keeper.ts'
import { LOCAL_STORES, type LocalStore, type Place } from '../../bench/stack/local-stores.ts'
import { freePort } from '../../bench/stack/ports.ts'
import { askText } from '../../internal/http/ask.ts'

export { freePort }

/** A real server on a free port of 127.0.0.1. Its data is in a temporary folder. */
export interface TestServer {
  readonly port: number
  readonly url: string
  readonly folder: string
  readonly pid: number
  /** Ends it with a signal (SIGTERM unless told otherwise) and keeps its data: `start` brings it back on the same port. */
  halt(signal?: NodeJS.Signals): Promise<void>
  start(): Promise<void>
  /** Ends it and removes its data. */
  stop(): Promise<void>
}

/** The path of a server's program. @throws Error that says how to install it if it is missing */
export function findProgram(name: string, debianPackage: string): string {
  const path = lookUpProgram(name, process.env.PATH ?? '')
  if (path !== undefined) return path
  throw new Error(`${name} is missing: apt-get install ${debianPackage} (bash scripts/test.sh does it as root)`)
}

export function startRedis(options: { args?: string[] } = {}): Promise<TestServer> {
  const program = findProgram('redis-server', 'redis-server')
  return startServer({
    name: 'redis-server',
    scheme: 'redis',
    command: ({ folder, port }) => [
      ...[program, '--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder, '--save', '', '--appendonly', 'no'],
      ...(options.args ?? []),
    ],
    ask: ({ port }, limit) => askRedis(port, limit),
  })
}

/** A Redis Cluster of three masters. */
export async function startRedisCluster(): Promise<TestServer[]> {
  const start = async (): Promise<TestServer> => {
    // The port of the bus is 10,000 above the other unless told otherwise, and may be taken.
    const bus = `${await freePort()}`
    return startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-port', bus] })
  }
  const nodes = await Promise.all([start(), start(), start()])
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  const cli = findProgram('redis-cli', 'redis-tools')
  await promisify(execFile)(cli, ['--cluster', 'create', ...addresses, '--cluster-yes'])
  return nodes
}

/** InfluxDB 1.6 of Debian: `/write` and `/query`, no authorization unless the environment (`INFLUXDB_HTTP_…`) asks for it. */
export function startInflux(options: { env?: Record<string, string> } = {}): Promise<TestServer> {
  return startServer(kindOf(LOCAL_STORES.influx, findProgram('influxd', 'influxdb'), options.env))
}

/** The same over TLS. @param ca of its certificate, in PEM */
export function startSecureInflux(certFile: string, keyFile: string, ca: string): Promise<TestServer> {
  const [cert, key] = ['INFLUXDB_HTTP_HTTPS_CERTIFICATE', 'INFLUXDB_HTTP_HTTPS_PRIVATE_KEY']
  const env = { INFLUXDB_HTTP_HTTPS_ENABLED: 'true', [cert]: certFile, [key]: keyFile }
  return startServer({
    ...kindOf(LOCAL_STORES.influx, findProgram('influxd', 'influxdb'), env),
    scheme: 'https',
    ask: ({ port }, signal) => askText(`https://127.0.0.1:${port}/ping`, { tls: { ca }, signal }),
  })
}

/** InfluxDB 2.x, not yet set up, from a program that Debian does not have. */
export function startInflux2(program: string): Promise<TestServer> {
  return startServer({
    name: 'influxd 2.x',
    scheme: 'http',
    command: ({ folder, port }) => [
      ...[program, '--http-bind-address', `127.0.0.1:${port}`, '--bolt-path', join(folder, 'influxd.bolt')],
      ...['--sqlite-path', join(folder, 'influxd.sqlite'), '--engine-path', join(folder, 'engine')],
      ...['--reporting-disabled', '--log-level', 'error'],
    ],
    ask: ({ port }, limit) => askInflux2(port, limit),
  })
}

/** VictoriaMetrics: `/api/v2/write`, answers 204 to everything. */
export function startVictoriaMetrics(): Promise<TestServer> {
  return startServer(kindOf(LOCAL_STORES.victoria, findProgram('victoria-metrics', 'victoria-metrics')))
}

/** A server that accepts connections and never answers. */
export interface SilentServer {
  /** `127.0.0.1:<port>` */
  readonly address: string
  /** The number of connections so far. */
  readonly connections: number
  stop(): Promise<void>
}

export async function startSilentServer(): Promise<SilentServer> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    sockets.push(socket.resume())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return {
    address: `127.0.0.1:${address.port}`,
    get connections() {
      return sockets.length
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface ServerKind {
  readonly name: string
  readonly scheme: string
  command(place: Place): readonly string[]
  /** Its environment besides PATH and HOME. */
  variables?(place: Place): Promise<Readonly<Record<string, string>>>
  /** Rejects while it is not up. */
  ask(place: Place, limit: AbortSignal): Promise<unknown>
}

function kindOf(store: LocalStore, program: string, env: Readonly<Record<string, string>> = {}): ServerKind {
  return {
    name: store.program,
    scheme: 'http',
    command: (place) => store.command(program, place),
    variables: async (place) => ({ ...(await store.variables(place)), ...env }),
    ask: ({ port }, limit) => store.ask(`http://127.0.0.1:${port}`, limit),
  }
}

/** How long a server may take to end after a signal. Then it is killed. */
const GRACE_MS = 10_000
const START_LIMIT_MS = 30_000

async function startServer(kind: ServerKind): Promise<TestServer> {
  const place = { folder: await mkdtemp(join(tmpdir(), 'sentinel-test-')), port: await freePort() }
  const keeper = startKeeper(place.folder)
  let child: Child | undefined

  const start = async (): Promise<void> => {
    const { PATH = '', HOME = '' } = process.env
    child = new Child({
      ...{ name: kind.name, command: kind.command(place), folder: place.folder, keeper, graceMs: GRACE_MS },
      env: { PATH, HOME, ...(await kind.variables?.(place)) },
      logFile: join(place.folder, 'server.log'),
    })
    await child.untilUp((limit) => kind.ask(place, limit), new AbortController().signal, START_LIMIT_MS)
  }
  const halt = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    await child?.stop(signal)
    child = undefined
  }
  const stop = async (): Promise<void> => {
    await halt('SIGKILL')
    await keeper.release()
  }

  try {
    await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    port: place.port,
    url: `${kind.scheme}://127.0.0.1:${place.port}`,
    folder: place.folder,
    get pid() {
      return child?.pid ?? -1
    },
    halt,
    start,
    stop,
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Most conditions ask a program over HTTP: asked again every 20 ms, they took a tenth of the CPU of all system tests. */
const POLL_MS = 50

/**
 * Waits until `condition` holds; rejects with `what` at the time limit. For events that have no promise, never for
 * measuring time.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`)
    await sleep(POLL_MS)
  }
}

async function askInflux2(port: number, signal: AbortSignal): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/health`, { signal })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`it answers ${response.status}`)
}
