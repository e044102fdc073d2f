import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type InfluxProxy, startInfluxProxy } from '../support/influx-proxy.ts'
import { startFile, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer } from '../support/servers.ts'
import { mountSmallDisk, unmount } from '../support/small-disk.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { FabricFlow } from './fabric-flow.ts'
import type { Flow, FlowPlace } from './flow.ts'
import { GpuFileFlow } from './gpu-file-flow.ts'
import { IntakeFlow } from './intake-flow.ts'
import { Member } from './member.ts'
import { Obligations } from './obligations.ts'
import { QueueFlow } from './queue-flow.ts'
import { Witness } from './witness.ts'

export type BrokerKind = 'pubsub' | 'streams'
type Role = 'server' | 'agent' | 'flow'

export interface SceneOptions {
  readonly broker: BrokerKind
  readonly messagesPerSecond?: number
  readonly samplesAMessage?: number
  /** Redis with an append-only file, written to disk before each answer or once a second; without it in memory only. */
  readonly appendFsync?: 'always' | 'everysec'
  readonly redisProxies?: boolean
  /** The version that the proxy in front of the store claims to be. */
  readonly store?: '1.6' | '2.7'
  readonly servers?: number
  readonly serverArgs?: readonly string[]
  readonly publisherArgs?: readonly string[]
  /** Also runs the product's own agent, ten ticks a second, and a witness of what it publishes. */
  readonly agent?: boolean
  /** Samples also come on this way. */
  readonly flow?: keyof typeof FLOWS
  /** The data folder of this role is a disk of this size. */
  readonly smallDisk?: { readonly of: Role; readonly bytes: number }
}

export const DATABASE = 'telemetry'
const ORG = 'sentinel'
const AGENT = 'agent'
const FLOWS = {
  fabric: (place) => FabricFlow.open(place),
  intake: (place) => IntakeFlow.open(place, 'lines'),
  'intake, CSV': (place) => IntakeFlow.open(place, 'csv'),
  'intake, JSON': (place) => IntakeFlow.open(place, 'json'),
  'intake, remote write': (place) => IntakeFlow.open(place, 'remoteWrite'),
  queue: (place) => QueueFlow.open(place),
  'GPU file': (place) => GpuFileFlow.open(place, false),
  'GPU file, queue': (place) => GpuFileFlow.open(place, true),
} satisfies Record<string, (place: FlowPlace) => Promise<Flow>>
/** In the same folder as this file's bundle: see scripts/run-ts.mjs. */
const PUBLISHER = fileURLToPath(new URL('./publisher-process.mjs', import.meta.url))

/** The programs of a row (publisher → Redis → servers → store, each its own process), and what can be done to them. */
export class Scene {
  readonly options: SceneOptions
  readonly folder: string
  readonly redis: TestServer
  readonly influx: TestServer
  readonly store: InfluxProxy
  /** Each is between Redis and the program of its name. Only if the options ask for them. */
  readonly redisProxies: { readonly server: TcpProxy; readonly publisher: TcpProxy } | undefined
  readonly servers: Member[] = []
  publisher!: Member
  /** Unreadable messages that Redis took: each must become a dead letter. */
  readonly unreadable: string[] = []
  /** Beginnings of lines that the database refuses: each must become a dead letter. */
  readonly refused: string[] = []
  agent: Member | undefined
  witness: Witness | undefined
  flow: Flow | undefined
  readonly #mounts: string[] = []
  /** Number of the publisher's run → when it was killed. */
  readonly #killedAtMs = new Map<number, number>()
  readonly #forgiven: Array<readonly [number, number]> = []

  private constructor(
    options: SceneOptions,
    parts: Pick<Scene, 'folder' | 'redis' | 'influx' | 'store' | 'redisProxies'>,
  ) {
    this.options = options
    this.folder = parts.folder
    this.redis = parts.redis
    this.influx = parts.influx
    this.store = parts.store
    this.redisProxies = parts.redisProxies
  }

  /** Starts everything. Resolves when the publisher publishes. */
  static async open(options: SceneOptions): Promise<Scene> {
    const { appendFsync, store = '1.6', servers = 1, redisProxies = false } = options
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-oracle-'))
    const aof = appendFsync === undefined ? [] : ['--appendonly', 'yes', '--appendfsync', appendFsync]
    const [redis, influx] = await Promise.all([startRedis({ args: aof }), startInflux()])
    await fetch(`${influx.url}/query`, {
      method: 'POST',
      body: new URLSearchParams({ q: `CREATE DATABASE "${DATABASE}"` }),
    })
    const scene = new Scene(options, {
      ...{ folder, redis, influx, store: await startInfluxProxy(influx.url, store) },
      redisProxies: redisProxies
        ? { server: await startTcpProxy(redis.port), publisher: await startTcpProxy(redis.port) }
        : undefined,
    })
    try {
      for (let n = 1; n <= servers; n++) scene.servers.push(await scene.#server(`server-${n}`))
      scene.publisher = await scene.#publisher()
      await Promise.all(scene.servers.map((server) => server.start()))
      await scene.publisher.start()
      if (options.agent) await scene.#startWitnessed()
      if (options.flow !== undefined) await scene.#startFlow(options.flow)
      return scene
    } catch (error) {
      await scene.close()
      throw error
    }
  }

  get server(): Member {
    return this.servers[0]!
  }

  get members(): Member[] {
    return [this.publisher, ...this.servers, this.agent, ...(this.flow?.members ?? [])].filter(
      (member) => member !== undefined,
    )
  }

  async killPublisher(): Promise<void> {
    await this.publisher.look()
    this.#killedAtMs.set(this.publisher.lives - 1, Date.now())
    await this.publisher.kill()
  }

  /** True if no program was killed and nothing is forgiven. Then exactly the samples reported lost must be missing. */
  get countsExactly(): boolean {
    return this.members.every(({ kills }) => kills === 0) && this.#forgiven.length === 0
  }

  /** Samples that Redis takes within this period are not owed: its configuration allows it to forget them. */
  forgive(fromMs: number, toMs: number): void {
    this.#forgiven.push([fromMs, toMs])
  }

  isForgiven(takenAtMs: number): boolean {
    return this.#forgiven.some(([from, to]) => takenAtMs >= from && takenAtMs < to)
  }

  obligations(): Obligations {
    const logs = Array.from({ length: this.publisher.lives }, (_, life) => ({
      source: this.publisher.name,
      path: this.#logOf(life),
    }))
    return new Obligations(logs, this.#killedAtMs, (takenAtMs) => this.isForgiven(takenAtMs))
  }

  dataOf(member: Member): string {
    return join(this.folder, member.name)
  }

  /** @param keep keeps the output and the data folders of the programs */
  async close(keep = false): Promise<void> {
    this.witness?.close()
    await Promise.all(this.members.map((member) => member.close()))
    await this.flow?.close()
    if (keep) await this.#keepStories()
    await this.store.stop()
    await this.redisProxies?.server.stop()
    await this.redisProxies?.publisher.stop()
    await Promise.all([this.redis.stop(), this.influx.stop()])
    for (const path of this.#mounts) unmount(path)
    if (!keep) await rm(this.folder, { recursive: true, force: true })
  }

  async #keepStories(): Promise<void> {
    for (const member of this.members) {
      for (const [life, story] of member.stories().entries()) {
        await writeFile(join(this.folder, `${member.name}-${life}.log`), story)
      }
    }
  }

  async #server(name: string): Promise<Member> {
    const { broker, serverArgs = [] } = this.options
    const [adminPort, data] = await Promise.all([freePort(), this.#dataFolder(name, 'server')])
    const redisPort = this.redisProxies?.server.port ?? this.redis.port
    const args = [
      ...[`--broker-kind=${broker}`, `--broker-consumer=${name}`, `--redis-url=redis://127.0.0.1:${redisPort}`],
      ...[`--influx-url=${this.store.url}`, `--influx-org=${ORG}`, `--influx-bucket=${DATABASE}`],
      ...[`--admin-port=${adminPort}`, `--data-path=${data}`, `--agent-host=${name}`, ...serverArgs],
    ]
    const launch = () => startProgram('server', { args, env: { INFLUX_TOKEN: 'any' } })
    return new Member({ name, adminPort, launch, atWork: 'server consumes' })
  }

  async #publisher(): Promise<Member> {
    const { broker, publisherArgs = [], messagesPerSecond = 1000, samplesAMessage = 2 } = this.options
    const name = 'publisher'
    const [adminPort, data] = await Promise.all([freePort(), this.#dataFolder(name, 'agent')])
    const redisPort = this.redisProxies?.publisher.port ?? this.redis.port
    const args = [
      ...[`--broker-kind=${broker}`, `--redis-url=redis://127.0.0.1:${redisPort}`, `--agent-host=${name}`],
      ...[`--admin-port=${adminPort}`, `--data-path=${data}`, ...publisherArgs],
    ]
    const launch = (life: number) =>
      startFile(PUBLISHER, name, {
        args,
        env: {
          ORACLE_LIFE: `${life}`,
          ORACLE_LOG: this.#logOf(life),
          ORACLE_SOURCE: name,
          ORACLE_MESSAGES_PER_SECOND: `${messagesPerSecond}`,
          ORACLE_SAMPLES_A_MESSAGE: `${samplesAMessage}`,
        },
      })
    return new Member({ name, adminPort, launch, atWork: 'publishes' })
  }

  async #startWitnessed(): Promise<void> {
    this.witness = await Witness.open(this.redis.port, AGENT)
    await this.#startAgent(['--agent-interval-ms=100ms'])
  }

  async #startFlow(kind: keyof typeof FLOWS): Promise<void> {
    this.flow = await FLOWS[kind]({
      broker: this.options.broker,
      redis: this.redis,
      folder: (name) => this.#dataFolder(name, 'flow'),
    })
  }

  async #startAgent(more: readonly string[]): Promise<void> {
    const [adminPort, data] = await Promise.all([freePort(), this.#dataFolder(AGENT, 'agent')])
    const args = [
      ...[`--broker-kind=${this.options.broker}`, `--redis-url=${this.redis.url}`, `--agent-host=${AGENT}`],
      ...[`--admin-port=${adminPort}`, `--data-path=${data}`, ...more],
    ]
    const launch = () => startProgram('agent', { args })
    this.agent = new Member({ name: AGENT, adminPort, launch, atWork: 'agent measures' })
    await this.agent.start()
  }

  async #dataFolder(name: string, role: Role): Promise<string> {
    const path = join(this.folder, name)
    await mkdir(path)
    const { smallDisk } = this.options
    if (smallDisk?.of === role) {
      mountSmallDisk(path, smallDisk.bytes)
      this.#mounts.push(path)
    }
    return path
  }

  #logOf(life: number): string {
    return join(this.folder, `obligations-${life}.log`)
  }
}
