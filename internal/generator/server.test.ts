import { once } from 'node:events'
import { get, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Refusals } from '../http/doorkeeper.ts'
import type { Repeat } from './counters-route.ts'
import type { Mode } from './faults.ts'
import { buildGenerator, type Generator } from './server.ts'
import { type Snapshot, SnapshotWriter } from './snapshot.ts'
import { SwitchProfile } from './switch.ts'

const AT_US = 1_700_000_000_123_456
const MODIFIED = 'Tue, 14 Nov 2023 22:13:20 GMT'
const PROBLEM = 'application/problem+json; charset=utf-8'

let generator: Generator
let snapshot: Snapshot
let writer: SnapshotWriter
let mode: Mode
let repeat: Repeat
let url: string

beforeEach(async () => {
  const profile = new SwitchProfile({ switches: 200, intervalMs: 10_000, seed: 7 })
  writer = new SnapshotWriter(profile)
  snapshot = await writer.write(AT_US)
  ;[mode, repeat] = ['NONE', 'full']
  generator = buildGenerator({
    profile,
    snapshot: () => snapshot,
    mode: () => mode,
    repeat: () => repeat,
    hosts: () => ['fabric.example.com'],
    listensOn: '127.0.0.1',
    logger: pino({ level: 'silent' }),
    refusals: new Refusals(),
    slowMs: 300,
  })
  await generator.app.listen({ host: '127.0.0.1', port: 0 })
  url = `http://127.0.0.1:${(generator.app.server.address() as AddressInfo).port}`
})
afterEach(() => generator.close())

interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  /** Whether the body had its end, as its client sees it. */
  readonly isWhole: boolean
}

/** As a plain client, which unpacks nothing. */
async function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answered> {
  const asking = request(`${url}${path}`, { method, headers, agent: false })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  response.on('error', () => {})
  await new Promise((resolve) => response.once('close', resolve))
  const { statusCode = 0 } = response
  return { status: statusCode, headers: response.headers, bytes: Buffer.concat(chunks), isWhole: response.complete }
}

const textOf = ({ body }: Snapshot): string => Buffer.concat(body.pieces).toString('latin1')

describe('GET /counters', () => {
  it('is the snapshot, with what a client needs to ask again', async () => {
    const { status, headers, bytes } = await ask('/counters')
    expect([status, bytes.toString()]).toEqual([200, textOf(snapshot)])
    expect(headers).toMatchObject({
      'content-type': 'text/csv; charset=utf-8',
      'content-length': `${bytes.length}`,
      etag: expect.stringMatching(/^"[\w-]+"$/),
      'last-modified': MODIFIED,
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
      'x-content-type-options': 'nosniff',
    })
  })

  it('has the same bytes while a snapshot lives, and another tag with the next', async () => {
    const [first, second] = [await ask('/counters'), await ask('/counters')]
    expect([second.headers.etag, second.bytes]).toEqual([first.headers.etag, first.bytes])
    snapshot = await writer.write(AT_US + 10e6)
    const next = await ask('/counters')
    expect(next.headers.etag).not.toBe(first.headers.etag)
    expect(next.bytes.toString()).toBe(textOf(snapshot))
  })

  it.each(['identity', 'gzip'])('has the headers of GET for HEAD too, with %s', async (encoding) => {
    const accepts = { 'accept-encoding': encoding }
    const [whole, head] = [await ask('/counters', accepts), await ask('/counters', accepts, 'HEAD')]
    expect([head.status, head.bytes.length]).toEqual([200, 0])
    const { date: _, ...headers } = head.headers
    expect(whole.headers).toMatchObject(headers)
    expect(headers['content-length']).toBe(`${whole.bytes.length}`)
  })

  it('comes with gzip to who asks, with a length and a tag of its own', async () => {
    const [plain, zipped] = [await ask('/counters'), await ask('/counters', { 'accept-encoding': 'br, gzip' })]
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-length': `${zipped.bytes.length}` })
    expect(gunzipSync(zipped.bytes)).toEqual(plain.bytes)
    expect(zipped.headers.etag).not.toBe(plain.headers.etag)
    const again = await ask('/counters', { 'accept-encoding': 'gzip', 'if-none-match': zipped.headers.etag! })
    expect(again.status).toBe(304)
  })

  it.each<[string, (etag: string) => Record<string, string>, number]>([
    ['nothing', () => ({}), 200],
    ['its tag', (etag) => ({ 'if-none-match': etag }), 304],
    ['its tag, weak, in a list', (etag) => ({ 'if-none-match': `"x", W/${etag}` }), 304],
    ['any tag', () => ({ 'if-none-match': '*' }), 304],
    ['another tag', () => ({ 'if-none-match': '"x"' }), 200],
    ['its time', () => ({ 'if-modified-since': MODIFIED }), 304],
    ['an earlier time', () => ({ 'if-modified-since': 'Tue, 14 Nov 2023 22:13:19 GMT' }), 200],
    ['another tag and its time', () => ({ 'if-none-match': '"x"', 'if-modified-since': MODIFIED }), 200],
    [
      'its tag and an earlier time',
      (etag) => ({ 'if-none-match': etag, 'if-modified-since': new Date(0).toUTCString() }),
      304,
    ],
    ['no time at all', () => ({ 'if-modified-since': 'yesterday' }), 200],
  ])('with %s', async (_what, conditions, status) => {
    const { etag = '' } = (await ask('/counters')).headers
    for (const method of ['GET', 'HEAD']) {
      const answered = await ask('/counters', conditions(etag), method)
      expect([method, answered.status, answered.headers.etag]).toEqual([method, status, etag])
      if (status === 304) expect(answered.bytes.length).toBe(0)
      else expect(answered.headers['content-length']).toBe(`${snapshot.body.bytes}`)
    }
  })

  it('answers no other method, path, parameter or name', async () => {
    const refused = async (path: string, headers = {}, method = 'GET'): Promise<[number, string | undefined]> => {
      const answered = await ask(path, headers, method)
      return [answered.status, answered.headers['content-type']]
    }
    expect(await refused('/counters', {}, 'POST')).toEqual([405, PROBLEM])
    expect(await refused('/counter')).toEqual([404, PROBLEM])
    expect(await refused('/counters?shards=3')).toEqual([400, PROBLEM])
    expect(await refused('/counters', { host: 'evil.example' })).toEqual([421, PROBLEM])
    expect((await refused('/counters', { host: 'fabric.example.com' }))[0]).toBe(200)
  })

  it('/health is OK', async () => {
    const { status, headers, bytes } = await ask('/health')
    expect([status, headers['content-type'], `${bytes}`]).toEqual([200, 'text/plain; charset=utf-8', 'OK'])
  })
})

describe('shards', () => {
  it('have each row once, and tags of their own', async () => {
    const shards = await Promise.all(
      [0, 1, 2].map((shard) => ask(`/counters?num_shards=3&shard=${shard}&sharding_field=switch_id`)),
    )
    const [header, ...lines] = textOf(snapshot).trimEnd().split('\n')
    const parts = shards.map(({ bytes }) => `${bytes}`.trimEnd().split('\n'))
    expect(new Set(parts.map(([first]) => first))).toEqual(new Set([header]))
    expect(parts.flatMap(([, ...rest]) => rest).sort()).toEqual(lines.sort())
    for (const { headers, bytes } of shards) expect(headers['content-length']).toBe(`${bytes.length}`)
    expect(new Set(shards.map(({ headers }) => headers.etag)).size).toBe(3)
    const again = await ask('/counters?num_shards=3&shard=1', { 'if-none-match': shards[1]!.headers.etag! })
    expect(again.status).toBe(304)
  })

  it.each([
    ['num_shards=3', 'shard is missing: it is from 0 to 2'],
    ['shard=0', 'num_shards is missing: shard alone names no part'],
    ['num_shards=3&shard=3', 'shard must be below num_shards, from 0 to 2'],
    ['num_shards=0&shard=0', 'num_shards must be >= 1'],
    ['num_shards=many&shard=0', 'num_shards must be integer'],
    ['num_shards=2&shard=0&sharding_field=latency_ms', 'sharding_field must be one of switch_id'],
  ])('%s is refused in words', async (query, detail) => {
    const { status, bytes } = await ask(`/counters?${query}`)
    expect([status, JSON.parse(`${bytes}`)]).toEqual([400, expect.objectContaining({ detail })])
  })
})

describe('repeat not-modified', () => {
  const statuses = async (...paths: string[]): Promise<number[]> => {
    const found: number[] = []
    for (const path of paths) found.push((await ask(path)).status)
    return found
  }

  it('is 304 without a condition for who asks again within the life of a snapshot', async () => {
    repeat = 'not-modified'
    expect(await statuses('/counters', '/counters', '/counters')).toEqual([200, 304, 304])
    snapshot = await writer.write(AT_US + 10e6)
    expect(await statuses('/counters', '/counters')).toEqual([200, 304])
    repeat = 'full'
    expect(await statuses('/counters')).toEqual([200])
  })

  it('counts each shard by itself, and no HEAD, fault or condition', async () => {
    repeat = 'not-modified'
    await ask('/counters', {}, 'HEAD')
    await ask('/counters?mode=EMPTY')
    await ask('/counters', { 'if-none-match': '"x"' })
    const shards = [0, 1].map((shard) => `/counters?num_shards=2&shard=${shard}`)
    expect(await statuses('/counters', ...shards, ...shards)).toEqual([200, 200, 200, 304, 304])
    expect((await ask('/counters', { 'if-none-match': '"x"' })).status).toBe(200)
  })

  it('knows clients by their address', async () => {
    repeat = 'not-modified'
    const from = async (localAddress: string): Promise<number> => {
      const [response] = (await once(get(`${url}/counters`, { localAddress, agent: false }), 'response')) as [
        IncomingMessage,
      ]
      response.resume()
      await once(response, 'close')
      return response.statusCode!
    }
    expect([await from('127.0.0.1'), await from('127.0.0.2'), await from('127.0.0.1')]).toEqual([200, 200, 304])
  })
})

describe('faults', () => {
  it('NONE is the answer, also where the setting says otherwise', async () => {
    mode = 'EMPTY'
    expect((await ask('/counters')).bytes.length).toBe(0)
    expect(`${(await ask('/counters?mode=none')).bytes}`).toBe(textOf(snapshot))
  })

  it('ERROR_500, in any case', async () => {
    for (const name of ['ERROR_500', 'error_500', 'Error_500']) {
      const { status, isWhole } = await ask(`/counters?mode=${name}`)
      expect([status, isWhole]).toEqual([500, true])
    }
  })

  it('CORRUPT ends in the middle of the last row, and its length is right', async () => {
    const { status, headers, bytes, isWhole } = await ask('/counters?mode=corrupt', { 'accept-encoding': 'gzip' })
    expect([status, isWhole, headers['content-length'], headers['content-encoding']]).toEqual([
      ...[200, true, `${bytes.length}`, undefined],
    ])
    expect(textOf(snapshot).startsWith(`${bytes}`)).toBe(true)
    const lines = textOf(snapshot).trimEnd().split('\n')
    const cut = `${bytes}`.split('\n')
    expect(cut.slice(0, -1)).toEqual(lines.slice(0, -1))
    expect(cut.at(-1)!.length).toBeGreaterThan(0)
    expect(cut.at(-1)!.length).toBeLessThan(lines.at(-1)!.length)
  })

  it('PARTIAL promises all of it, and ends early', async () => {
    const { status, headers, bytes, isWhole } = await ask('/counters?mode=partial')
    expect([status, isWhole, headers['content-length']]).toEqual([200, false, `${snapshot.body.bytes}`])
    expect(bytes.length).toBeGreaterThan(0)
    expect(bytes.length).toBeLessThan(snapshot.body.bytes)
    expect(textOf(snapshot).startsWith(`${bytes}`)).toBe(true)
  })

  it('EMPTY is a success without a byte', async () => {
    const { status, headers, bytes, isWhole } = await ask('/counters?mode=empty')
    expect([status, isWhole, bytes.length, headers['content-length']]).toEqual([200, true, 0, '0'])
  })

  it('a fault comes whatever the conditions, with the validators of what should have come', async () => {
    const { etag = '' } = (await ask('/counters')).headers
    const { status, headers } = await ask('/counters?mode=corrupt', { 'if-none-match': etag })
    expect([status, headers.etag]).toEqual([200, etag])
  })

  it('SLOW holds up its own answer alone', async () => {
    const order: string[] = []
    const slow = ask('/counters?mode=slow').then((answered) => {
      order.push('slow')
      return answered
    })
    await ask('/counters')
    order.push('other')
    expect(`${(await slow).bytes}`).toBe(textOf(snapshot))
    expect(order).toEqual(['other', 'slow'])
  })

  it('TIMEOUT never answers, until its client leaves', async () => {
    const asking = get(`${url}/counters?mode=timeout`, { agent: false })
    let isAnswered = false
    asking.on('response', () => {
      isAnswered = true
    })
    const failed = once(asking, 'error').catch((error: unknown) => [error])
    // Longer than a slow answer takes.
    await ask('/counters?mode=slow')
    expect(isAnswered).toBe(false)
    asking.destroy()
    await failed
    expect((await ask('/counters')).status).toBe(200)
  })

  it('DROP resets the connection', async () => {
    await expect(ask('/counters?mode=drop')).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('HUGE goes on with good rows, until its client leaves', async () => {
    const asking = get(`${url}/counters?mode=huge`, { agent: false })
    const [response] = (await once(asking, 'response')) as [IncomingMessage]
    expect(response.headers['content-length']).toBeUndefined()
    let bytes = 0
    let start = ''
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length
      if (start.length < 2 * snapshot.body.bytes) start += chunk
      if (bytes > 100 * snapshot.body.bytes + 1e7) break
    }
    const [header, ...rows] = textOf(snapshot).split('\n')
    const repeated = `${header}\n${rows.join('\n').repeat(2)}`
    expect(start.startsWith(repeated)).toBe(true)
    asking.destroy()
    expect((await ask('/counters')).status).toBe(200)
  })

  it('are answers to HEAD too, without a body', async () => {
    for (const name of ['corrupt', 'empty', 'huge']) {
      const { status, bytes } = await ask(`/counters?mode=${name}`, {}, 'HEAD')
      expect([name, status, bytes.length]).toEqual([name, 200, 0])
    }
    expect((await ask('/counters?mode=error_500', {}, 'HEAD')).status).toBe(500)
  })

  it('an unknown one is refused with the names of all', async () => {
    const { status, bytes } = await ask('/counters?mode=slowly')
    expect([status, JSON.parse(`${bytes}`)]).toEqual([
      400,
      expect.objectContaining({
        parameter: 'mode',
        detail:
          'there is no mode "slowly": it is one of NONE, ERROR_500, CORRUPT, PARTIAL, EMPTY, SLOW, TIMEOUT, DROP, HUGE',
      }),
    ])
  })
})

it('counts answers by status, and faults by mode', async () => {
  await ask('/counters')
  await ask('/counters', { 'if-none-match': '*' })
  await ask('/counters?mode=x')
  await ask('/counters?mode=empty')
  await ask('/counters?mode=partial')
  await ask('/counters?mode=partial')
  expect(Object.fromEntries(generator.stats.answers)).toEqual({ 200: 2, 304: 1, 400: 1 })
  const { faults } = generator.stats
  expect(Object.fromEntries([...faults].filter(([, count]) => count > 0))).toEqual({ EMPTY: 1, PARTIAL: 2 })
  expect(faults.has('NONE')).toBe(false)
})

it('a stop answers what is slow at once, and leaves who never gets an answer', async () => {
  const slow = ask('/counters?mode=slow')
  const never = ask('/counters?mode=timeout').catch((error: unknown) => error)
  await expect.poll(() => generator.stats.faults.get('TIMEOUT')).toBe(1)
  await expect.poll(() => generator.stats.faults.get('SLOW')).toBe(1)
  await generator.close()
  expect(`${(await slow).bytes}`).toBe(textOf(snapshot))
  expect(await never).toMatchObject({ code: 'ECONNRESET' })
})
