import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { Baseline } from './baseline.ts'
import type { InfluxPlace } from './write-api.ts'

interface Request {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly lines: readonly string[]
}

/** The store's answer to a write: a status, or none. */
type Answer = number | 'silence'

let server: Server
let requests: Request[]
let answer: Answer

beforeEach(async () => {
  requests = []
  answer = 204
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const bytes = Buffer.concat(chunks)
      const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
      requests.push({ url: request.url ?? '', headers: request.headers, lines: body.toString().split('\n') })
      if (answer !== 'silence') response.writeHead(answer, { 'retry-after': '1' }).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  vi.useRealTimers()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function openBaseline(options: Partial<InfluxPlace> = {}): Baseline {
  const influx: InfluxPlace = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ...{ token: '', username: '', password: '', org: 'us', bucket: 'telemetry' },
    ...{ writePath: 'v2', gzip: false, timeoutMs: 5000 },
    ...options,
  }
  return new Baseline({ influx, clock: new WallClock(), throttle: new LogThrottle(pino({ level: 'silent' })) })
}

function message(sentAtMs = Date.now()): Buffer {
  return Buffer.from(`{"cpu_usage":12.5,"mem_usage":63.1,"send_time_unix_nano":${sentAtMs}000000}`)
}

function take(baseline: Baseline, count: number): void {
  for (let i = 0; i < count; i++) baseline.take(message())
}

/** Lets fake time and the real network run until a condition holds. */
async function passTime(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await vi.advanceTimersByTimeAsync(100)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A signal that never fires. */
function patience(): AbortSignal {
  return new AbortController().signal
}

describe('a message', () => {
  test('becomes a point, and each of its three latencies is counted once', async () => {
    const baseline = openBaseline()
    const sentAtMs = Date.now() - 1000
    baseline.take(message(sentAtMs))
    baseline.take(message(sentAtMs))
    await baseline.finish(patience())
    expect(requests.flatMap(({ lines }) => lines)).toEqual([
      `system_stats cpu=12.5,mem=63.1 ${sentAtMs}000000`,
      `system_stats cpu=12.5,mem=63.1 ${sentAtMs}000001`,
    ])
    const { internal, e2e, durable } = baseline.latency
    expect([internal.total().count, e2e.total().count, durable.total().count]).toEqual([2, 2, 2])
    // The message is a second old. The end-to-end latency is longer than that, and the durable latency is longer still.
    expect(e2e.total().percentile(1)).toBeGreaterThanOrEqual(1_000_000)
    expect(durable.total().percentile(1)).toBeGreaterThanOrEqual(e2e.total().percentile(1))
  })

  test('without a send time has the time of its arrival, and no end-to-end latency', async () => {
    const baseline = openBaseline()
    const before = Date.now()
    baseline.take(Buffer.from('{"cpu_usage":1,"mem_usage":2}'))
    await baseline.finish(patience())
    const [line = ''] = requests.flatMap(({ lines }) => lines)
    expect(Number(line.slice(-19, -6))).toBeGreaterThanOrEqual(before - 1)
    expect(baseline.latency.internal.total().count).toBe(1)
    expect(baseline.latency.e2e.total().count).toBe(0)
  })

  test('that makes no point is rejected', async () => {
    const baseline = openBaseline()
    for (const text of ['hello', '{', '{"load":3}']) baseline.take(Buffer.from(text))
    await baseline.finish(patience())
    expect(baseline.ledger.figures()).toMatchObject({ messages: 3, received: 3, rejected: 3, written: 0, held: 0 })
    expect(requests).toEqual([])
  })
})

describe('the store', () => {
  test('gets a thousand points a write', async () => {
    const baseline = openBaseline()
    take(baseline, 2500)
    await baseline.finish(patience())
    expect(requests.map(({ lines }) => lines.length).sort()).toEqual([1000, 1000, 500])
    expect(baseline.ledger).toMatchObject({ messages: 2500, written: 2500, held: 0 })
  })

  test('gets a batch that is not full after a second', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    const baseline = openBaseline()
    take(baseline, 3)
    await vi.advanceTimersByTimeAsync(900)
    expect(requests).toEqual([])
    await passTime(() => baseline.ledger.written === 3)
  })

  test.each<[string, Partial<InfluxPlace>, string, string | undefined]>([
    ['v2 with a token', { token: 'abc' }, '/api/v2/write?org=us&bucket=telemetry&precision=ns', 'Token abc'],
    ['v1', { writePath: 'v1' }, '/write?db=telemetry&precision=ns', undefined],
    [
      'v1 with a user',
      { writePath: 'v1', username: 'me', password: 'secret' },
      '/write?db=telemetry&precision=ns',
      `Basic ${Buffer.from('me:secret').toString('base64')}`,
    ],
  ])('is asked as %s', async (_name, options, url, authorization) => {
    const baseline = openBaseline(options)
    take(baseline, 1)
    await baseline.finish(patience())
    expect(requests).toMatchObject([{ url }])
    expect(requests[0]?.headers.authorization).toBe(authorization)
  })

  test.each([
    [false, undefined],
    [true, 'gzip'],
  ])('gets compressed bodies where ours are: %s', async (gzip, encoding) => {
    const baseline = openBaseline({ gzip })
    take(baseline, 100)
    await baseline.finish(patience())
    expect(requests[0]?.headers['content-encoding']).toBe(encoding)
    expect(baseline.ledger.written).toBe(100)
  })

  test('that refuses a batch has its samples rejected', async () => {
    answer = 400
    const baseline = openBaseline()
    take(baseline, 10)
    await baseline.finish(patience())
    expect(baseline.ledger).toMatchObject({ messages: 10, rejected: 10, written: 0, held: 0 })
  })

  test('gets the waiting samples when it is back', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    answer = 503
    const baseline = openBaseline()
    take(baseline, 1000)
    await passTime(() => requests.length === 2)
    answer = 204
    await passTime(() => baseline.ledger.written === 1000)
    expect(baseline.ledger).toMatchObject({ messages: 1000, dropped: 0, held: 0 })
  })

  test('that stays away makes it drop a batch after five retries', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    answer = 503
    const baseline = openBaseline()
    take(baseline, 1000)
    await passTime(() => baseline.ledger.dropped > 0)
    expect(requests).toHaveLength(6)
    expect(baseline.ledger).toMatchObject({ messages: 1000, dropped: 1000, held: 0 })
  })

  test('that stays away makes it drop a batch that is three minutes old', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    answer = 503
    const baseline = openBaseline()
    take(baseline, 1000)
    await passTime(() => requests.length === 1)
    vi.setSystemTime(Date.now() + 180_000)
    await passTime(() => baseline.ledger.dropped > 0)
    expect(requests).toHaveLength(1)
    expect(baseline.ledger).toMatchObject({ messages: 1000, dropped: 1000, held: 0 })
  })

  test('that is away makes it drop the oldest samples once 32,000 wait', async () => {
    answer = 503
    const baseline = openBaseline()
    take(baseline, 40_000)
    await vi.waitFor(() => expect(baseline.ledger.dropped).toBeGreaterThan(0), 10_000)
    expect(baseline.ledger.dropped % 1000).toBe(0)
    answer = 204
    await baseline.finish(patience())
    const { messages, written, dropped, held } = baseline.ledger
    expect([messages, written + dropped, held]).toEqual([40_000, 40_000, 0])
  })
})

describe('the end', () => {
  test('does not wait if no message came', async () => {
    await openBaseline().finish(patience())
    expect(requests).toEqual([])
  })

  test('tries once more the batches that wait for a retry', async () => {
    answer = 503
    const baseline = openBaseline()
    take(baseline, 1000)
    // The client retries within 0.2 s, so there may be several retries between two checks.
    await vi.waitFor(() => expect(requests).not.toHaveLength(0))
    answer = 204
    await baseline.finish(patience())
    expect(baseline.ledger).toMatchObject({ messages: 1000, written: 1000, held: 0 })
  })

  test('drops samples that the store does not take', async () => {
    answer = 503
    const baseline = openBaseline()
    take(baseline, 1500)
    await baseline.finish(patience())
    expect(baseline.ledger).toMatchObject({ messages: 1500, dropped: 1500, held: 0 })
  })

  test('does not wait beyond the signal, and shows the samples still held', async () => {
    answer = 'silence'
    const baseline = openBaseline()
    take(baseline, 1500)
    const hurry = new AbortController()
    const finished = baseline.finish(hurry.signal)
    await vi.waitFor(() => expect(requests).toHaveLength(2))
    hurry.abort()
    await finished
    expect(baseline.ledger.figures()).toMatchObject({ received: 1500, written: 0, dropped: 0, held: 1500 })
  })
})
