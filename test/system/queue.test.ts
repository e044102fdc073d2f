import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { influxCount } from '../support/influx.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { type ConsumeStream, QueueClient } from '../support/queue-client.ts'
import { json } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, startRedisCluster, type TestServer, until } from '../support/servers.ts'

const AOF = ['--appendonly', 'yes', '--appendfsync', 'always']

interface Running {
  readonly program: Program
  readonly client: QueueClient
  readonly url: string
  readonly admin: string
}

const programs: Program[] = []
const folders: string[] = []
afterAll(async () => {
  for (const program of programs) program.signal('SIGKILL')
  for (const folder of folders) await rm(folder, { recursive: true, force: true })
})

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'sentinel-queue-'))
  folders.push(made)
  return made
}

async function start(redis: TestServer, args: string[] = [], ports?: readonly number[]): Promise<Running> {
  const [port, adminPort] = ports ?? (await Promise.all([freePort(), freePort()]))
  const program = startProgram('queue', {
    env: { REDIS_URL: redis.url },
    args: [`--queue-port=${port}`, `--admin-port=${adminPort}`, ...args],
  })
  programs.push(program)
  await program.logged('started')
  const url = `http://127.0.0.1:${port}`
  return { program, client: new QueueClient(url), url, admin: `http://127.0.0.1:${adminPort}` }
}

const received = (stream: ConsumeStream, count: number): Promise<void> =>
  until(`${count} messages have come`, () => stream.received.length >= count)

describe('the program queue', () => {
  let redis: TestServer
  let queue: Running
  beforeAll(async () => {
    redis = await startRedis()
    queue = await start(redis, ['--queue-max-body-bytes=32KiB'])
  })
  afterAll(async () => {
    expect(await queue.program.stop()).toBe(0)
    await redis.stop()
  })

  it('listens at 127.0.0.1:8081, for operators at 6063, unless told otherwise', async () => {
    const { stdout } = await run('sentinel', { args: ['validate', 'queue'] })
    expect(stdout).toContain(['queue:', '  host: 127.0.0.1  # default', '  port: 8081  # default', ''].join('\n'))
    expect(stdout).toMatch(/\n {2}port: 6063 {2}# default\n/)
    expect(stdout).toMatch(/\n {2}partitions: 4 {2}# default\n/)
  })

  it('takes a message, hands it out and takes its ack', async () => {
    const { client } = queue
    const answer = await client.post('/produce?topic=first&partition=1', '{"payload":"hello"}')
    expect(answer).toMatchObject({ status: 200, headers: { 'sentinel-durable': 'redis' } })
    const { id } = JSON.parse(answer.body) as { id: string }
    const stream = await client.consume('topic=first&partition=1&group=one')
    expect(stream.head.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    await received(stream, 1)
    expect(stream.text()).toContain(`id: ${id}\ndata: {"id":"${id}","payload":"hello",`)
    expect(stream.received[0]).toMatchObject({ id, payload: 'hello', topic: 'first', partition: 1 })
    const ack = '/ack?topic=first&partition=1&group=one'
    expect(await client.post(ack, JSON.stringify({ id }))).toMatchObject({ status: 200, body: 'ok' })
    const again = await client.post(ack, JSON.stringify({ id }))
    expect(again.status).toBe(400)
    expect(JSON.parse(again.body)).toMatchObject({ title: 'Bad Request', parameter: 'id', instance: '/ack' })
    stream.leave()
  })

  it.each([
    ['POST', '/produce', 'x', 400, 'topic'],
    ['POST', '/produce?topic=a b', 'x', 400, 'topic'],
    ['POST', '/produce?topic=a&partition=64', 'x', 400, 'partition'],
    ['POST', '/produce?topic=a&partition=x', 'x', 400, 'partition'],
    ['POST', '/produce?topic=a&part=1', 'x', 400, 'part'],
    ['POST', '/produce?topic=a', '', 400, undefined],
    ['POST', '/produce?topic=a', 'x'.repeat(40_000), 413, undefined],
    ['POST', '/ack?topic=a&partition=0', '{"id":"0-1-1"}', 400, 'group'],
    ['POST', '/ack?topic=a&group=b', '', 400, 'id'],
    ['POST', '/ack?topic=a&group=b&id=nonsense', '', 400, 'id'],
    ['GET', '/consume?topic=a', '', 400, 'group'],
    ['GET', '/consume?topic=a&group=b&partition=64', '', 400, 'partition'],
    ['GET', '/topics?detail=yes', '', 400, 'detail'],
    ['GET', '/produce?topic=a', '', 405, undefined],
    ['GET', '/nothing', '', 404, undefined],
  ])('answers %s %s with a problem', async (method, path, body, status, parameter) => {
    const url = path.replace(' ', '%20')
    const answer = await (method === 'GET' ? queue.client.get(url) : queue.client.post(url, body))
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(JSON.parse(answer.body).parameter).toBe(parameter)
  })

  it('answers to no name that is not its own', async () => {
    const answer = await queue.client.post('/produce?topic=a', 'x', { host: 'evil.example' })
    expect(answer.status).toBe(421)
  })

  it('shows topics, partitions, consumers, totals and latencies', async () => {
    const { client, admin } = queue
    await client.produce('topic=shown&partition=5', 'x')
    const stream = await client.consume('topic=shown&group=one')
    await received(stream, 1)
    const answer = async (path: string): Promise<unknown> => JSON.parse((await client.get(path)).body)
    expect(await answer('/topics')).toMatchObject({ telemetry: [0, 1, 2, 3], shown: [0, 1, 2, 3, 4, 5] })
    const detail = (await answer('/topics?detail=true')) as { shown: object[] }
    expect(detail.shown[5]).toMatchObject({ length: 1, overflow: 0, groups: [{ group: 'one', lag: 0, pending: 1 }] })
    const status = (await answer('/status')) as { consumers: object[] }
    expect(status.consumers).toContainEqual({
      ...{ topic: 'shown', group: 'one', partition: 'all', address: '127.0.0.1', inFlight: 1, sent: 1, reads: true },
    })
    expect(await answer('/stats')).toMatchObject({ overflow: { messages: 0 }, consumers: expect.any(Number) })
    expect(await answer('/health')).toMatchObject({ status: 'ok', redis: { connected: true }, disk: { problem: '' } })
    expect(await answer('/ready')).toEqual({ ready: true, reasons: [] })
    expect((await client.get('/metrics')).body).toContain('sentinel_queue_produced_messages_total{durable="redis"}')
    expect(await metric(admin, 'sentinel_queue_consumers')).toBe(1)
    stream.leave()
    await until('it has left', async () => (await metric(admin, 'sentinel_queue_consumers')) === 0)
  })

  it('sends again what is not acked within the time that is set, and gives it to whoever is there', async () => {
    const { client } = await start(redis, ['--queue-visibility-ms=1s', '--agent-host=other'])
    await client.produce('topic=again&partition=0', 'x')
    const first = await client.consume('topic=again&partition=0&group=one')
    await received(first, 1)
    const second = await client.consume('topic=again&partition=0&group=one')
    await until('it has come again', () => first.received.length + second.received.length >= 2)
    first.leave()
    await received(second, 1)
    expect(second.received[0]).toMatchObject({ id: first.received[0]!.id, payload: 'x' })
  })

  it('ends streams at its stop, and the next process hands out what was not acked', async () => {
    const args = [`--data-path=${await folder()}`, '--agent-host=stops']
    const { client, program } = await start(redis, args)
    const stream = await client.consume('topic=stops&partition=0&group=one')
    for (let i = 0; i < 5; i++) await client.produce('topic=stops&partition=0', `${i}`)
    await received(stream, 5)
    await client.post('/ack?topic=stops&group=one', JSON.stringify({ id: stream.received[0]!.id }))
    expect(await program.stop()).toBe(0)
    expect(stream.closed()).toBe(true)
    expect(program.log().at(-1)).toMatchObject({ msg: 'summary', produced: 5, consumed: 5, acked: 1 })
    const next = await start(redis, args)
    const rest = await next.client.consume('topic=stops&partition=0&group=one')
    await received(rest, 4)
    expect(rest.received.map(({ payload }) => payload)).toEqual(['1', '2', '3', '4'])
  })
})

describe('a queue that cannot begin', () => {
  it('says why, and ends with 78: a node of a Redis Cluster, and a topic that cannot be a key', async () => {
    const nodes = await startRedisCluster()
    const env = { REDIS_URL: nodes[0]!.url }
    const cluster = await run('queue', { env, args: ['--admin-port=0', '--queue-port=0'] })
    expect(cluster.code).toBe(78)
    expect(cluster.stderr).toContain('is a node of a Redis Cluster, which is not supported')
    await Promise.all(nodes.map((node) => node.stop()))
    const topic = await run('queue', { args: ['--admin-port=0', '--queue-port=0', '--queue-topics=a/b'] })
    expect(topic.code).toBe(78)
    expect(topic.stderr).toContain('queue.topics: "a/b" must be a letter or digit')
  })
})

describe('clients of the older system at the queue', () => {
  it('the streamer posts rows to its partitions in turn, and the collector acks each, open before the first', async () => {
    const redis = await startRedis()
    const { client } = await start(redis, ['--broker-partitions=1'])
    const PARTITIONS = 2
    const group = 'telemetry-processors'
    const streams = await Promise.all(
      Array.from({ length: PARTITIONS }, (_, p) => client.consume(`topic=telemetry&partition=${p}&group=${group}`)),
    )
    const row = (i: number): string[] => [
      ...[
        '2025-07-18T20:42:34Z',
        'DCGM_FI_DEV_GPU_UTIL',
        `${i % 8}`,
        `nvidia${i % 8}`,
        `GPU-${i}`,
        'NVIDIA H100 80GB HBM3',
      ],
      ...['mtv5-dgx1-hgpu-031', '', '', '', `${i}`, `DCGM_FI_DRIVER_VERSION="535.129.03",gpu="${i % 8}"`],
    ]
    const ids: string[] = []
    for (let i = 0; i < 100; i++) {
      ids.push(await client.produce(`topic=telemetry&partition=${i % PARTITIONS}`, JSON.stringify(row(i))))
    }
    const rows: string[][] = []
    const ackedIds: string[] = []
    for (const [partition, stream] of streams.entries()) {
      await received(stream, 50)
      for (const { id, payload, created_at: createdAt } of stream.received) {
        rows.push(JSON.parse(payload) as string[])
        expect(Number.isNaN(Date.parse(createdAt))).toBe(false)
        const ack = `/ack?topic=telemetry&partition=${partition}&group=${group}`
        const answer = await client.post(ack, JSON.stringify({ id }), { 'content-type': 'application/json' })
        expect(answer).toMatchObject({ status: 200, body: 'ok' })
        ackedIds.push(id)
      }
    }
    expect(rows.toSorted((a, b) => Number(a[10]) - Number(b[10]))).toEqual(
      Array.from({ length: 100 }, (_, i) => row(i)),
    )
    expect(ackedIds.toSorted()).toEqual(ids.toSorted())
    await redis.stop()
  })
})

describe('a message of the topic telemetry', () => {
  it('reaches the servers of the streams broker, and the database', async () => {
    const [redis, influx, serverAdmin] = await Promise.all([startRedis(), startInflux(), freePort()])
    const { client } = await start(redis)
    const server = startProgram('server', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: 'streams' },
      args: [`--admin-port=${serverAdmin}`],
    })
    programs.push(server)
    await server.logged('server consumes')
    const now = Date.now()
    for (let i = 0; i < 40; i++) await client.produce('topic=telemetry', json(i, 50, now + i))
    await until(
      'all are stored',
      async () => (await influxCount(influx.url, 'telemetry', 'system_stats', 'cpu')) === 40,
    )
    expect(await server.stop()).toBe(0)
    await Promise.all([redis.stop(), influx.stop()])
  })
})

describe('an agent that publishes through the queue', () => {
  it('keeps its samples while no gateway is there, and all are stored in the end', async () => {
    const [redis, influx] = await Promise.all([startRedis({ args: AOF }), startInflux()])
    const ports = await Promise.all([freePort(), freePort()])
    const [agentAdmin, serverAdmin] = await Promise.all([freePort(), freePort()])
    const args = [`--data-path=${await folder()}`]
    const first = await start(redis, args, ports)
    const server = startProgram('server', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: 'streams' },
      args: [`--admin-port=${serverAdmin}`],
    })
    const agent = startProgram('agent', {
      env: { USE_HTTP_QUEUE: 'true', MSG_QUEUE_ADDR: `127.0.0.1:${ports[0]}` },
      args: [`--admin-port=${agentAdmin}`, '--agent-interval-ms=100ms', '--agent-include=mem', '--agent-host=gpu-7'],
    })
    programs.push(server, agent)
    const sent = (): Promise<number> => metric(`http://127.0.0.1:${agentAdmin}`, 'sentinel_sent_samples_total')
    const held = (): Promise<number> => metric(`http://127.0.0.1:${agentAdmin}`, 'sentinel_outbox_samples')
    await agent.logged('started')
    await until('samples are sent', async () => (await sent()) > 10)
    first.program.signal('SIGKILL')
    await until('some are held', async () => (await held()) > 20)
    const ready = (await (await fetch(`http://127.0.0.1:${agentAdmin}/ready`)).json()) as { reasons: string[] }
    expect(ready.reasons.join()).toContain(`the queue at 127.0.0.1:${ports[0]}`)
    await start(redis, args, ports)
    await until('none is held', async () => (await held()) < 5)
    expect(await agent.stop()).toBe(0)
    const { agent_sent, agent_dropped, agent_held } = agent.log().at(-1) as Record<string, number>
    expect({ agent_dropped, agent_held }).toEqual({ agent_dropped: 0, agent_held: 0 })
    const written = (): Promise<number> => metric(`http://127.0.0.1:${serverAdmin}`, 'sentinel_written_samples_total')
    await until('all are stored', async () => (await written()) >= agent_sent!)
    expect(await influxCount(influx.url, 'telemetry', 'mem', 'used_percent')).toBeGreaterThan(30)
    expect(await server.stop()).toBe(0)
    await Promise.all([redis.stop(), influx.stop()])
  })

  it('is examined by doctor, which asks the gateway, as that is', async () => {
    const redis = await startRedis()
    const { url, program } = await start(redis)
    const doctor = async (...args: string[]): Promise<string> => {
      const env = { REDIS_URL: redis.url, SENTINEL_ADMIN_PORT: `${await freePort()}`, USE_HTTP_QUEUE: 'true' }
      return (await run('sentinel', { args: ['doctor', ...args], env, cwd: await folder() })).stdout
    }
    const host = url.replace('http://', '')
    expect(await doctor('agent', `--broker-http-url=${host}`)).toContain(`ok   broker: the queue at ${host} is ready\n`)
    expect(await doctor('queue')).toContain('ok   queue: streams over Redis answers\n')
    await redis.halt()
    await until('it is noticed', async () => (await fetch(`${url}/ready`)).status === 503)
    expect(await doctor('agent', `--broker-http-url=${host}`)).toMatch(/FAIL broker: .* answers 503: Redis at /)
    expect(await doctor('queue')).toMatch(/FAIL queue: Redis at .* refuses the connection/)
    expect(await program.stop()).toBe(0)
    expect(await doctor('agent', `--broker-http-url=${host}`)).toMatch(/FAIL broker: the queue at .* does not answer/)
    await redis.stop()
  })

  it('asks no fabric, and says so at its start', async () => {
    const args = ['validate', 'agent', '--broker-use-http', '--fabric-targets=http://127.0.0.1:9/counters']
    const { code, stderr } = await run('sentinel', { args })
    expect(code).toBe(78)
    expect(stderr).toContain('broker.useHttp cannot carry the rows of fabrics')
  })
})

describe('what was answered with 200', () => {
  /** Posts at full speed until told to stop. @returns the payloads that were taken */
  function flood(
    client: QueueClient,
    name: string,
    topic: string,
  ): { readonly taken: Set<string>; stop(): Promise<void> } {
    const taken = new Set<string>()
    let stopped = false
    const workers = Array.from({ length: 8 }, async (_, worker) => {
      for (let i = 0; !stopped; i++) {
        const payload = `${name} ${worker} ${i}`
        try {
          await client.produce(`topic=${topic}&partition=${i % 4}`, payload)
          taken.add(payload)
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    })
    return {
      taken,
      async stop() {
        stopped = true
        await Promise.all(workers)
      },
    }
  }

  /** Consumes and acks until all of them have come. @returns what came for the first time, in that order */
  async function consumeAll(clients: QueueClient[], topic: string, taken: Set<string>): Promise<string[]> {
    const missing = new Set(taken)
    const first: string[] = []
    const streams = await Promise.all(clients.map((client) => client.consume(`topic=${topic}&group=all`)))
    const next = streams.map(() => 0)
    const unacked = streams.map(() => new Set<string>())
    await until(
      'every message that was taken has come',
      async () => {
        for (const [i, { received: all }] of streams.entries()) {
          const some = all.slice(next[i])
          next[i] = all.length
          for (const { payload } of some) if (missing.delete(payload)) first.push(payload)
          for (const { id } of some) unacked[i]!.add(id)
          // While Redis is away the answer is 503, and 400 names those that another stream has acked.
          for (const ids = [...unacked[i]!]; ids.length > 0; ) {
            const body = JSON.stringify({ ids: ids.splice(0, 500) })
            const { status } = await clients[i]!.post(`/ack?topic=${topic}&group=all`, body)
            if (status === 503) break
            for (const id of (JSON.parse(body) as { ids: string[] }).ids) unacked[i]!.delete(id)
          }
        }
        return missing.size === 0
      },
      60_000,
    )
    for (const stream of streams) stream.leave()
    return first
  }

  const inOrder = (payloads: string[]): boolean => {
    const newest = new Map<string, number>()
    return payloads.every((payload) => {
      const [name, worker, i] = payload.split(' ') as [string, string, string]
      const key = `${name} ${worker} ${Number(i) % 4}`
      const isNext = Number(i) > (newest.get(key) ?? -1)
      newest.set(key, Number(i))
      return isNext
    })
  }

  it('is handed out after a kill -9 of the gateway at full speed, on disk or not', async () => {
    const redis = await startRedis({ args: AOF })
    const args = [`--data-path=${await folder()}`, '--queue-max-unacked=200']
    const ports = await Promise.all([freePort(), freePort()])
    let queue = await start(redis, args, ports)
    const posting = flood(queue.client, 'a', 'killed')
    for (let kills = 0; kills < 2; kills++) {
      const before = posting.taken.size
      await until('many are taken', () => posting.taken.size > before + 700)
      queue.program.signal('SIGKILL')
      await queue.program.ended
      queue = await start(redis, args, ports)
    }
    await posting.stop()
    expect(await metric(queue.admin, 'sentinel_queue_overflow_bytes')).toBeGreaterThan(0)
    const first = await consumeAll([queue.client], 'killed', posting.taken)
    expect(inOrder(first)).toBe(true)
    expect(await queue.program.stop()).toBe(0)
    await redis.stop()
  })

  it('is handed out after restarts of Redis, by two gateways beside each other', async () => {
    const redis = await startRedis({ args: AOF })
    const queues = [
      await start(redis, ['--queue-max-unacked=400', '--agent-host=one']),
      await start(redis, ['--queue-max-unacked=400', '--agent-host=two']),
    ]
    const posting = queues.map(({ client }, i) => flood(client, `gateway-${i}`, 'away'))
    for (let restarts = 0; restarts < 2; restarts++) {
      const before = posting.map(({ taken }) => taken.size)
      const moreThan = (count: number) => () => posting.every(({ taken }, i) => taken.size > before[i]! + count)
      await until('many are taken', moreThan(200))
      await redis.halt('SIGKILL')
      await until('more are taken without Redis', moreThan(600))
      await redis.start()
    }
    await Promise.all(posting.map((each) => each.stop()))
    const taken = new Set(posting.flatMap((each) => [...each.taken]))
    await consumeAll(
      queues.map(({ client }) => client),
      'away',
      taken,
    )
    for (const { program, admin } of queues) {
      expect(await metric(admin, 'sentinel_queue_damaged_messages_total')).toBe(0)
      expect(await program.stop()).toBe(0)
    }
    await redis.stop()
  })

  it('is refused with 507 and Retry-After at the bound of the disk, and only there', async () => {
    const redis = await startRedis()
    const { client } = await start(redis, ['--queue-max-bytes=1MiB', '--queue-max-unacked=10'])
    const body = 'x'.repeat(20_000)
    let answer = await client.post('/produce?topic=full&partition=0', body)
    let taken = 0
    for (; answer.status === 200; taken++) answer = await client.post('/produce?topic=full&partition=0', body)
    expect(answer).toMatchObject({ status: 507, headers: { 'retry-after': '5' } })
    expect(taken).toBeGreaterThan(50)
    const stream = await client.consume('topic=full&partition=0&group=one')
    await until('all have come, and there is room', async () => {
      for (const { id } of stream.received.splice(0)) await client.post(`/ack?topic=full&group=one&id=${id}`)
      return (await client.post('/produce?topic=full&partition=0', body)).status === 200
    })
    stream.leave()
    await redis.stop()
  })

  it('waits for a consumer that reads nothing, and goes to another one meanwhile', async () => {
    const redis = await startRedis()
    const { client, program } = await start(redis, ['--queue-visibility-ms=1s', '--queue-max-in-flight=10000'])
    const slow = await client.consume('topic=slow&partition=0&group=one')
    slow.pause()
    const body = 'x'.repeat(100_000)
    for (let i = 0; i < 300; i++) await client.produce('topic=slow&partition=0', `${i} ${body}`)
    const quick = await client.consume('topic=slow&partition=0&group=one')
    const seen = new Set<string>()
    await until('all have come', async () => {
      for (const { id, payload } of quick.received.splice(0)) {
        seen.add(payload.split(' ')[0]!)
        await client.post(`/ack?topic=slow&group=one&id=${id}`)
      }
      return seen.size === 300
    })
    const status = JSON.parse((await client.get('/status')).body) as {
      consumers: Array<{ reads: boolean; sent: number }>
    }
    const stuck = status.consumers.find(({ reads }) => !reads)
    expect(stuck?.sent).toBeLessThan(300)
    expect(await program.stop()).toBe(0)
    await redis.stop()
  })
})
