import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startKeeper } from './keeper.ts'

/** A real server on a free port of 127.0.0.1, its data in a temporary folder. */
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

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

/** The path of a server's program. Where it is missing the test fails, and says how to install it. */
export function findProgram(name: string, debianPackage: string): string {
  const found = spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v ${name}`], {
    encoding: 'utf8',
  })
  const path = found.stdout.trim()
  if (path === '')
    throw new Error(`${name} is missing: apt-get install ${debianPackage} (bash scripts/test.sh does it as root)`)
  return path
}

export function startRedis(options: { args?: string[] } = {}): Promise<TestServer> {
  return startServer({
    program: findProgram('redis-server', 'redis-server'),
    scheme: 'redis',
    args: ({ folder, port }) => [
      ...['--bind', '127.0.0.1', '--port', `${port}`, '--dir', folder, '--save', '', '--appendonly', 'no'],
      ...(options.args ?? []),
    ],
    isUp: (port) => answers(port, 'PING\r\n', '+PONG'),
  })
}

/** InfluxDB 1.6 of Debian: `/write` and `/query`, no authorization unless the environment (`INFLUXDB_HTTP_…`) asks for it. */
export function startInflux(options: { env?: Record<string, string> } = {}): Promise<TestServer> {
  const program = findProgram('influxd', 'influxdb')
  return startServer({
    program,
    scheme: 'http',
    args: () => ['run', '-config', '/dev/null'],
    env: async ({ folder, port }) => ({
      INFLUXDB_META_DIR: join(folder, 'meta'),
      INFLUXDB_DATA_DIR: join(folder, 'data'),
      INFLUXDB_DATA_WAL_DIR: join(folder, 'wal'),
      INFLUXDB_BIND_ADDRESS: `127.0.0.1:${await freePort()}`,
      INFLUXDB_HTTP_BIND_ADDRESS: `127.0.0.1:${port}`,
      INFLUXDB_REPORTING_DISABLED: 'true',
      INFLUXDB_HTTP_LOG_ENABLED: 'false',
      ...options.env,
    }),
    isUp: (port) => answersHttp(port, '/ping'),
  })
}

/** InfluxDB 2.x, not yet set up, from a program that Debian does not have. */
export function startInflux2(program: string): Promise<TestServer> {
  return startServer({
    program,
    scheme: 'http',
    args: ({ folder, port }) => [
      ...['--http-bind-address', `127.0.0.1:${port}`, '--bolt-path', join(folder, 'influxd.bolt')],
      ...['--sqlite-path', join(folder, 'influxd.sqlite'), '--engine-path', join(folder, 'engine')],
      ...['--reporting-disabled', '--log-level', 'error'],
    ],
    isUp: (port) => answersHttp(port, '/health'),
  })
}

/** VictoriaMetrics: `/api/v2/write`, answers 204 to everything. */
export function startVictoriaMetrics(): Promise<TestServer> {
  return startServer({
    program: findProgram('victoria-metrics', 'victoria-metrics'),
    scheme: 'http',
    args: ({ folder, port }) => [`-storageDataPath=${folder}`, `-httpListenAddr=127.0.0.1:${port}`],
    isUp: (port) => answersHttp(port, '/health'),
  })
}

/** A server that takes connections and never says a word. */
export interface SilentServer {
  /** `127.0.0.1:<port>` */
  readonly address: string
  /** So many have come. */
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

interface Place {
  readonly folder: string
  readonly port: number
}

interface ServerKind {
  readonly program: string
  readonly scheme: string
  args(place: Place): string[]
  env?(place: Place): Promise<Record<string, string>>
  isUp(port: number): Promise<boolean>
}

async function startServer(kind: ServerKind): Promise<TestServer> {
  const place = { folder: await mkdtemp(join(tmpdir(), 'sentinel-test-')), port: await freePort() }
  const keeper = startKeeper(place.folder)
  let child: ChildProcess | undefined
  let output = ''

  const start = async (): Promise<void> => {
    const env = { ...process.env, ...(await kind.env?.(place)) }
    const started = spawn(kind.program, kind.args(place), { stdio: ['ignore', 'pipe', 'pipe'], cwd: place.folder, env })
    child = started
    keeper.watch(started.pid)
    started.once('exit', () => keeper.watch(undefined))
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4000)
    }
    started.stdout?.on('data', keep)
    started.stderr?.on('data', keep)
    const deadline = Date.now() + 30_000
    while (!(await kind.isUp(place.port))) {
      if (hasEnded(started) || Date.now() > deadline) {
        await halt('SIGKILL')
        throw new Error(`${kind.program} did not start on port ${place.port}:\n${output}`)
      }
      await sleep(30)
    }
  }

  const halt = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const running = child
    child = undefined
    if (running === undefined || hasEnded(running)) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill(signal)
    const forced = setTimeout(() => running.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(forced)
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

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Waits until `condition` holds; fails with what it waited for. For events that have no promise, never for measuring time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`)
    await sleep(20)
  }
}

function answers(port: number, request: string, expected: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request))
    socket.setTimeout(1000, () => socket.destroy())
    socket.once('data', (chunk) => {
      resolve(chunk.toString().startsWith(expected))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

async function answersHttp(port: number, path: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}
