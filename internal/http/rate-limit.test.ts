import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  isShort,
  RateLimit,
  type RateLimitOptions,
  rateHeaders,
  ratesOf,
  type SharedCount,
  type Sharing,
} from './rate-limit.ts'

const limits: RateLimit[] = []
afterEach(() => {
  for (const limit of limits.splice(0)) limit.close()
  vi.useRealTimers()
})

function open(perMinute: number, perKey: number, options: Partial<RateLimitOptions> = {}): RateLimit {
  const rates = ratesOf('api', { requestsPerMinute: perMinute, requestsPerMinutePerKey: perKey })
  const limit = new RateLimit({ ...rates, ...options })
  limits.push(limit)
  return limit
}

/** How many of these requests pass. */
function passing(limit: RateLimit, requests: number, address: string, key?: string): number {
  let passed = 0
  for (let n = 0; n < requests; n++) if (limit.count(address, key)?.refusal === undefined) passed++
  return passed
}

describe('a limit of rate', () => {
  it('counts a key wherever it is used, and an address only without one', () => {
    const limit = open(3, 5)
    expect([passing(limit, 4, '192.0.2.1', 'a'), passing(limit, 4, '127.0.0.1', 'a')]).toEqual([4, 1])
    expect(passing(limit, 9, '192.0.2.1', 'b')).toBe(5)
    expect(passing(limit, 9, '192.0.2.1')).toBe(3)
    expect(limit.count('127.0.0.1')).toBeUndefined()
  })

  it('says how much is left, until when, and what allows more', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const limit = open(2, 9)
    const first = limit.count('192.0.2.1')!
    expect(rateHeaders(first)).toEqual({ 'ratelimit-policy': '"address";q=2;w=60', ratelimit: '"address";r=1;t=60' })
    vi.advanceTimersByTime(20_500)
    expect(rateHeaders(limit.count('192.0.2.1')!)).toMatchObject({ ratelimit: '"address";r=0;t=40' })
    const { refusal } = limit.count('192.0.2.1')!
    expect(refusal).toMatchObject({
      status: 429,
      message: 'this address may ask 2 times a minute',
      retryAfterSeconds: 40,
    })
    expect(passing(limit, 9, '192.0.2.1', 'a')).toBe(9)
    expect(limit.count('::1', 'a')!.refusal).toMatchObject({ message: 'this key may ask 9 times a minute' })
    vi.advanceTimersByTime(40_000)
    expect(passing(limit, 9, '192.0.2.1')).toBe(2)
  })

  it.each([
    [1, false],
    [50, false],
    [51, true],
    [200, true],
  ])('after %d of 100 requests a client should hear of it: %j', (requests, expected) => {
    const limit = open(100, 1)
    for (let n = 1; n < requests; n++) limit.count('192.0.2.1')
    expect(isShort(limit.count('192.0.2.1')!)).toBe(expected)
  })
})

describe('processes that count together', () => {
  /** As Redis does, with an answer at once. */
  class Common implements Sharing {
    readonly totals = new Map<string, number>()
    isAway = false
    calls = 0
    async add(counts: readonly SharedCount[]) {
      this.calls++
      if (this.isAway) throw new Error('away')
      return counts.map(({ name, added, windowMs }) => {
        this.totals.set(name, (this.totals.get(name) ?? 0) + added)
        return { total: this.totals.get(name)!, endsInMs: windowMs }
      })
    }
  }

  /** Asks them in turns, and lets answers arrive between. @returns how many passed in all */
  async function inTurns(all: readonly RateLimit[], requests: number, key?: string): Promise<number> {
    let passed = 0
    for (let n = 0; n < requests; n++) {
      passed += passing(all[n % all.length]!, 1, '192.0.2.1', key)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return passed
  }

  it('allow about as much as one, of addresses and keys, and ask far less often than they are asked', async () => {
    const common = new Common()
    const all = [1, 2, 3].map(() => open(100, 200, { sharing: common }))
    const [ofAddress, ofKey] = [await inTurns(all, 600), await inTurns(all, 600, 'a')]
    expect(ofAddress).toBeGreaterThanOrEqual(100)
    expect(ofAddress).toBeLessThanOrEqual(115)
    expect(ofKey).toBeGreaterThanOrEqual(200)
    expect(ofKey).toBeLessThanOrEqual(230)
    expect(common.calls).toBeLessThan(300)
    expect([...common.totals.keys()]).toEqual(['address 192.0.2.1', 'key a'])
  })

  it('count alone while nobody can be told, without asking at each request, and tell it later', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const common = new Common()
    common.isAway = true
    const [one, other] = [open(100, 1, { sharing: common }), open(100, 1, { sharing: common })]
    expect(await inTurns([one], 150)).toBe(100)
    expect(common.calls).toBe(1)
    common.isAway = false
    vi.advanceTimersByTime(1_000)
    await vi.waitFor(() => expect(common.totals.get('address 192.0.2.1')).toBe(150))
    // It hears of it with its first report.
    expect(await inTurns([other], 50)).toBeLessThanOrEqual(6)
  })
})
