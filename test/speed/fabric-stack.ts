import { Redis } from 'ioredis'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer } from '../support/servers.ts'
import type { Context } from './row.ts'
import { BEHIND_PROXY } from './side-by-side.ts'

export const DATABASE = 'telemetry'

/** Nothing listens there. */
const NO_STORE = 'http://127.0.0.1:1'

/** A program with its admin listener. */
export interface Part {
  readonly program: Program
  readonly admin: string
}

export type Api = Part & { readonly url: string }

/** What is started ends with the stack, if not before. */
export interface FabricStack {
  readonly redis: TestServer
  /** Where samples go; undefined: somebody listens who forgets them. */
  readonly store: { readonly influx: TestServer; readonly server: Part } | undefined
  /** The address of its counters. */
  readonly counters: string
  /** An agent that asks the generator. */
  startAgent(intervalMs: number): Promise<Part>
  /** An API as clients of the network meet it. @param redisUrl of another Redis than that of the stack @param key what it asks for */
  startApi(redisUrl?: string, key?: string): Promise<Api>
  startRedis(): Promise<TestServer>
}

/**
 * Starts Redis, a generator, and InfluxDB with a server, each a process, and ends them however `use` does.
 *
 * @param stores whether samples are stored: InfluxDB 1.6 takes half a minute for those of 100,000 ports, and both cores
 */
export async function withFabric<T>(
  { generator: generatorArgs, stores = true }: { readonly generator: readonly string[]; readonly stores?: boolean },
  { signal, say }: Context,
  use: (stack: FabricStack) => Promise<T>,
): Promise<T> {
  const started: Array<{ stop(): Promise<unknown> }> = []
  const keep = <S extends { stop(): Promise<unknown> }>(one: S): S => {
    started.push(one)
    signal.throwIfAborted()
    return one
  }
  const start = async (name: string, args: readonly string[], env = {}): Promise<Part> => {
    const adminPort = await freePort()
    const program = keep(startProgram(name, { args: [`--admin-port=${adminPort}`, ...args], env }))
    await program.logged('started')
    return { program, admin: `http://127.0.0.1:${adminPort}` }
  }
  try {
    say('starting servers')
    const redis = keep(await startRedis())
    const influx = stores ? keep(await startInflux()) : undefined
    const ofStore = [`--influx-url=${influx?.url ?? NO_STORE}`, `--influx-bucket=${DATABASE}`]
    const server = influx && (await start('server', [`--redis-url=${redis.url}`, ...ofStore]))
    if (server === undefined) keep(await listen(redis.url))
    const port = await freePort()
    const generator = await start('generator', [`--port=${port}`, ...generatorArgs])
    const counters = `http://127.0.0.1:${port}/counters`
    await generator.program.logged('generator answers')
    return await use({
      ...{ redis, counters, store: influx && server && { influx, server } },
      startAgent: (intervalMs) =>
        start('agent', [
          `--redis-url=${redis.url}`,
          `--fabric-targets=${counters}`,
          `--fabric-interval-ms=${intervalMs}`,
        ]),
      async startApi(redisUrl = redis.url, key) {
        const apiPort = await freePort()
        // Without a key, what a proxy brings is refused.
        const access = key === undefined ? ['--auth-public=telemetry'] : []
        const args = [`--redis-url=${redisUrl}`, ...ofStore, ...BEHIND_PROXY, ...access, `--api-port=${apiPort}`]
        const api = await start('api', args, key === undefined ? {} : { API_KEY: key })
        return { ...api, url: `http://127.0.0.1:${apiPort}` }
      },
      startRedis: async () => keep(await startRedis()),
    })
  } finally {
    for (const one of started.reverse()) await one.stop()
  }
}

/** Else an agent would keep its samples. */
async function listen(redisUrl: string): Promise<{ stop(): Promise<void> }> {
  const listener = new Redis(redisUrl, { lazyConnect: true })
  listener.on('error', () => {})
  await listener.subscribe('metrics')
  return { stop: async () => listener.disconnect() }
}
