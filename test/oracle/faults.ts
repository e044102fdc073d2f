import { Redis } from 'ioredis'
import { PAYLOAD_FIELD } from '../../internal/broker/streams/entry.ts'
import type { StoreFault } from '../support/influx-proxy.ts'
import { json, publishRaw } from '../support/raw-redis.ts'
import { sleep, type TestServer } from '../support/servers.ts'
import type { TcpFault, TcpProxy } from '../support/tcp-proxy.ts'
import type { Member } from './member.ts'
import { IDS_A_LIFE } from './samples.ts'
import { DATABASE, type Scene } from './scene.ts'

/** One turn of a fault. Everything works before it and after it. */
export type Turn = (scene: Scene) => Promise<void>

/** How long a publisher or a server runs before it is ended again. */
const LIFE_MS = 1500
/** How long it then stays down. */
const AWAY_MS = 700

export const nothing: Turn = () => sleep(2000)

export const publisherStops: Turn = async ({ publisher }) => {
  await publisher.stop()
  await sleep(AWAY_MS)
  await publisher.start()
  await sleep(LIFE_MS)
}

export const publisherIsKilled: Turn = async (scene) => {
  await scene.killPublisher()
  await scene.publisher.start()
  await sleep(LIFE_MS)
}

/** No server listens, so its samples are on its disk. */
export const publisherIsKilledUnheard: Turn = async (scene) => {
  await scene.server.stop()
  await sleep(3000)
  await scene.killPublisher()
  await sleep(AWAY_MS)
  await scene.publisher.start()
  await sleep(LIFE_MS)
  await scene.server.start()
  await sleep(LIFE_MS)
}

/** Ends the product's own agent, by `kill -9` and by SIGTERM. */
export const agentEnds: Turn = async ({ agent }) => {
  if (agent === undefined) throw new Error('the row has no agent')
  await agent.kill()
  await agent.start()
  await sleep(LIFE_MS)
  await agent.stop()
  await agent.start()
  await sleep(LIFE_MS)
}

/** Samples that do not fit on its disk are dropped and counted. */
export const publisherStopsUnheard: Turn = async ({ server, publisher }) => {
  await server.stop()
  await sleep(6000)
  await publisher.stop()
  await publisher.start()
  await sleep(LIFE_MS)
  await server.start()
  await sleep(LIFE_MS)
}

export const flowIsKilled: Turn = async (scene) => {
  for (const member of membersOf(scene)) {
    await member.kill()
    await member.start()
    await sleep(LIFE_MS)
  }
}

export const flowStops: Turn = async (scene) => {
  for (const member of membersOf(scene)) {
    await member.stop()
    await member.start()
    await sleep(LIFE_MS)
  }
}

/** All at once; and the programs of the way once more while Redis is away. */
export const flowAndAllAreKilled: Turn = async (scene) => {
  const members = membersOf(scene)
  await Promise.all([...members, scene.server].map((member) => member.kill()))
  await scene.redis.halt('SIGKILL')
  for (const member of members) await member.start(false)
  await sleep(LIFE_MS)
  for (const member of members) {
    await member.kill()
    await member.start(false)
  }
  await Promise.all([scene.redis.start(), scene.server.start()])
  await sleep(LIFE_MS)
}

/** Until what waits for Redis has no room any more on the disk of the way's program, which is then killed. */
export const flowHasNoRoom: Turn = async (scene) => {
  const [member] = membersOf(scene)
  await scene.redis.halt('SIGKILL')
  const before = scene.flow!.refusals
  while (scene.flow!.refusals < before + 20) await sleep(50)
  await member!.kill()
  await member!.start(false)
  await sleep(LIFE_MS)
  await scene.redis.start()
  await sleep(LIFE_MS * 2)
}

function membersOf({ flow }: Scene): readonly Member[] {
  if (flow === undefined) throw new Error('the row has no such way')
  return flow.members
}

export const serverStops: Turn = async ({ server }) => {
  await server.stop()
  await sleep(AWAY_MS)
  await server.start()
  await sleep(LIFE_MS)
}

export const serverIsKilled: Turn = async ({ server }) => {
  await server.kill()
  await sleep(AWAY_MS)
  await server.start()
  await sleep(LIFE_MS)
}

/** Each process is killed after a second, often in the middle of its start. */
export const serverIsKilledEachSecond: Turn = async ({ server }) => {
  for (let life = 0; life < 5; life++) {
    await server.kill()
    await server.start(false)
    await sleep(1000)
  }
  await server.kill()
  await server.start()
}

export const serverRestartsTenTimes: Turn = async ({ server }) => {
  for (let restart = 0; restart < 10; restart++) {
    await server.stop()
    await server.start()
    await sleep(LIFE_MS)
  }
}

/** The next process finds the spooled samples. */
export const serverIsKilledWithoutStore: Turn = async ({ server, store }) => {
  await store.become({ kind: 'refuse' })
  await sleep(3000)
  await server.kill()
  await server.start()
  await sleep(LIFE_MS)
  await store.become({ kind: 'none' })
  await sleep(LIFE_MS)
}

export const serverStopsWithoutStore: Turn = async ({ server, store }) => {
  await store.become({ kind: 'refuse' })
  await sleep(3000)
  await server.stop()
  await server.start()
  await sleep(LIFE_MS)
  await store.become({ kind: 'none' })
  await sleep(LIFE_MS)
}

/** Kills the second of two servers. The first claims the entries that it had not stored. */
export const oneOfTwoIsKilled: Turn = async ({ servers }) => {
  await servers[1]!.kill()
  await sleep(4000)
  await servers[1]!.start()
  await sleep(LIFE_MS)
}

export function redisEnds(signal: NodeJS.Signals): Turn {
  return (scene) => away(scene.redis, signal, AWAY_MS)
}

/** One after the other, and both together. */
export const serverAndRedisAreKilled: Turn = async (scene) => {
  await serverIsKilled(scene)
  await redisEnds('SIGKILL')(scene)
  await Promise.all([scene.server.kill(), away(scene.redis, 'SIGKILL', AWAY_MS)])
  await scene.server.start()
  await sleep(LIFE_MS)
}

/** With one write to disk a second, the append-only file may lack the last two seconds when Redis dies. */
export const redisForgets: Turn = async (scene) => {
  scene.forgive(Date.now() - 2000, Date.now() + 100)
  await away(scene.redis, 'SIGKILL', AWAY_MS)
}

export function storeEnds(signal: NodeJS.Signals, awayMs = 4000): Turn {
  return (scene) => away(scene.influx, signal, awayMs)
}

async function away(server: TestServer, signal: NodeJS.Signals, awayMs: number): Promise<void> {
  await server.halt(signal)
  await sleep(awayMs)
  await server.start()
  await sleep(LIFE_MS * 2)
}

export function storeFails(fault: StoreFault, ms = 4000): Turn {
  return async ({ store }) => {
    const before = store.spoiled
    await store.become(fault)
    await sleep(ms)
    // A fault proves nothing until a write has met it. A refused connection cannot be counted.
    while (fault.kind !== 'refuse' && store.spoiled === before) await sleep(50)
    await store.become({ kind: 'none' })
    await sleep(LIFE_MS)
  }
}

/** The store refuses some samples, chosen by their numbers. Each must become a dead letter. */
export function storeRefusesLines(status: 400 | 422): Turn {
  return storeFails({ kind: 'bad lines', status, isBad })
}

/** One line in a thousand. */
function isBad(line: string): boolean {
  const id = /[ ,]id=(\d+)i/.exec(line)
  return id !== null && (Number(id[1]) % IDS_A_LIFE) % 997 === 5
}

export function redisIs(fault: TcpFault, whose: 'server' | 'publisher', ms: number): Turn {
  return async (scene) => {
    const proxy = proxyOf(scene, whose)
    proxy.become(fault)
    await sleep(ms)
    proxy.become({ kind: 'none' })
    await sleep(LIFE_MS)
  }
}

export function connectionsBreak(whose: 'server' | 'publisher'): Turn {
  return async (scene) => {
    proxyOf(scene, whose).cut()
    await sleep(LIFE_MS)
  }
}

/** The open connections go silent and are never closed. The program must notice that within 10 s, and open new ones. */
export function connectionsGoSilent(whose: 'server' | 'publisher'): Turn {
  return async (scene) => {
    proxyOf(scene, whose).halfOpen()
    await sleep(12_000)
  }
}

function proxyOf({ redisProxies }: Scene, whose: 'server' | 'publisher'): TcpProxy {
  if (redisProxies === undefined) throw new Error('the row has no proxies in front of Redis')
  return redisProxies[whose]
}

/** The server stands still until Redis' output buffer for it exceeds its limit. */
export const serverStandsStill: Turn = async ({ server }) => {
  server.signal('SIGSTOP')
  await sleep(6000)
  server.signal('SIGCONT')
  await sleep(LIFE_MS * 2)
}

/**
 * Messages without numbers, sent before and while no server listens. Servers can only know that some of them may be
 * lost.
 */
export const serverIsKilledBesideLegacy: Turn = async (scene) => {
  const messages = Array.from({ length: 100 }, (_, n) => json(n, 50, Date.now() + n))
  await publishRaw(scene.redis.port, 'metrics', messages)
  await scene.server.kill()
  await publishRaw(scene.redis.port, 'metrics', messages)
  await scene.server.start()
  await publishRaw(scene.redis.port, 'metrics', messages)
  await sleep(LIFE_MS)
}

/**
 * Messages in no known format (frame, JSON, Packed) among the others. Every other batch of them comes while the server
 * is killed.
 */
export const unreadableMessages: Turn = async (scene) => {
  await publishUnreadable(scene)
  await scene.server.kill()
  await scene.server.start()
  await publishUnreadable(scene)
  await sleep(LIFE_MS)
}

async function publishUnreadable(scene: Scene): Promise<void> {
  const messages = Array.from({ length: 20 }, (_, n) => `neither this nor that, ${scene.unreadable.length + n}`)
  scene.unreadable.push(...messages)
  await publishAsOthersDo(scene, messages)
  // Over pubsub, a killed server loses everything that is not on disk.
  await sleep(LIFE_MS)
}

/** Publishes messages as a foreign program would, without any of our own parts. */
async function publishAsOthersDo({ options, redis }: Scene, messages: readonly string[]): Promise<void> {
  const client = new Redis(redis.url)
  for (const message of messages) {
    if (options.broker === 'pubsub') await client.publish('metrics', message)
    else await client.xadd('queue:{telemetry:0}', '*', PAYLOAD_FIELD, message)
  }
  client.disconnect()
}

/**
 * Prepares `fieldOfAnotherType`: the real InfluxDB refuses the samples with its own message, and stores the other
 * samples of the same write.
 */
export async function cpuIsText({ influx }: Scene): Promise<void> {
  const body = `system_stats cpu="text",mem="text" ${Date.now()}000000`
  const answer = await fetch(`${influx.url}/write?db=${DATABASE}`, { method: 'POST', body })
  if (answer.status !== 204) throw new Error(`${body}: ${answer.status} ${await answer.text()}`)
}

export const fieldOfAnotherType: Turn = async (scene) => {
  const first = scene.refused.length
  const values = Array.from({ length: 50 }, (_, n) => first + n + 0.5)
  scene.refused.push(...values.map((cpu) => `system_stats cpu=${cpu},mem=50 `))
  await publishAsOthersDo(
    scene,
    values.map((cpu) => json(cpu, 50, Date.now()).toString()),
  )
  await sleep(LIFE_MS)
}

/** Makes the programs read their settings again, with the store up and away. */
export const reloads: Turn = async ({ servers, publisher, store }) => {
  for (const kind of ['none', 'refuse', 'none'] as const) {
    await store.become({ kind })
    for (const member of [publisher, ...servers]) member.signal('SIGHUP')
    await sleep(LIFE_MS)
  }
}

/** The given turns one after the other, chosen by a seed. */
export function anyOf(turns: readonly Turn[], seed: number): Turn {
  let state = seed
  return async (scene) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    await turns[state % turns.length]!(scene)
  }
}
