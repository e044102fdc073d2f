import { Writable } from 'node:stream'
import pino from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ReadBreaker } from './read-breaker.ts'
import { type HistoryQuery, StoreError, type StoreReader } from './store.ts'

const QUERY = { measurement: 'cpu', fields: ['v'] } as unknown as HistoryQuery
const signal = new AbortController().signal

const answers = async (): Promise<[]> => []
const refuses = (kind: StoreError['kind'], message: string) => (): Promise<never> =>
  Promise.reject(new StoreError(kind, message))
const unreachable = refuses('away', 'connect ECONNREFUSED')
const hangs = (_question: unknown, until: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => until.addEventListener('abort', () => reject(until.reason)))

function setUp() {
  const log: string[] = []
  const lines = new Writable({
    write: (chunk, _encoding, done) => {
      log.push(JSON.parse(String(chunk)).msg)
      done()
    },
  })
  const store = {
    asked: 0,
    probed: 0,
    query: answers as (question: unknown, until: AbortSignal) => Promise<[]>,
    probe: answers as (question: unknown, until: AbortSignal) => Promise<unknown>,
  }
  const ask = (question: unknown, until: AbortSignal): Promise<[]> => {
    store.asked++
    return store.query(question, until)
  }
  const reader: StoreReader = {
    hosts: ask,
    history: ask,
    hasHost: async (host, until) => (await ask(host, until)).length > 0,
    rows: ask,
    newest: ask,
    fieldKinds: async (of, until) => new Map(await ask(of, until)),
    writeParquet: async (query, _path, until) => void (await ask(query, until)),
    async probe(until) {
      store.probed++
      await store.probe(undefined, until)
    },
    close: async () => {},
  }
  const breaker = new ReadBreaker({ reader, logger: pino({}, lines) })
  /** The outcome of a history query; `waits` while there is none. */
  const outcome = async (query: Promise<unknown> = breaker.history(QUERY, signal)): Promise<string> => {
    const waits = vi.advanceTimersByTimeAsync(0).then(() => 'waits')
    const ended = query.then(
      () => 'answered',
      (err: StoreError) => `${err.kind}: ${err.message}`,
    )
    return Promise.race([ended, waits])
  }
  return { breaker, store, outcome, log }
}

const HANGS = 'away: the store does not answer a small query within 600 ms'

describe('ReadBreaker', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('ends the query at which the store is found to hang within a second, and later ones at once', async () => {
    const { breaker, store, outcome, log } = setUp()
    store.query = store.probe = hangs
    const first = breaker.history(QUERY, signal)
    first.catch(() => {})
    expect(await outcome(first)).toBe('waits')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(first)).toBe(HANGS)
    const { asked } = store
    expect(
      await Promise.all([outcome(), outcome(breaker.hosts(0, signal)), outcome(breaker.hasHost('a', signal))]),
    ).toEqual([...[HANGS, HANGS, HANGS]])
    expect([store.asked, breaker.isAway, breaker.stats]).toEqual([asked, true, { outages: 1, refused: 4 }])
    expect(breaker.problem).toBe(HANGS.slice('away: '.length))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(log).toEqual(['the store does not answer: only live values until it is back'])
    await breaker.close()
  })

  it('ends a query that its store cannot end', async () => {
    const { breaker, store, outcome } = setUp()
    store.query = () => new Promise(() => {})
    store.probe = hangs
    const query = breaker.history(QUERY, signal)
    query.catch(() => {})
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(query)).toBe(HANGS)
    await breaker.close()
  })

  it('asks again soon after the store is back, however long it was away', async () => {
    const { breaker, store, outcome, log } = setUp()
    store.query = store.probe = unreachable
    expect(await outcome()).toBe('away: connect ECONNREFUSED')
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(await outcome()).toBe('away: connect ECONNREFUSED')
    // The query itself, and a probe in each pause of 0.05 to 2 s.
    expect([store.asked, store.probed > 1_800, store.probed < 3_600 * 5]).toEqual([1, true, true])
    store.query = store.probe = answers
    await vi.advanceTimersByTimeAsync(2_000)
    expect([await outcome(), breaker.problem, breaker.isAway]).toEqual(['answered', '', false])
    expect(log.at(-1)).toBe('the store answers queries again')
    await breaker.close()
  })

  it('lets nothing but the probe through while it probes', async () => {
    const { breaker, store, outcome } = setUp()
    store.query = store.probe = unreachable
    await outcome()
    await vi.advanceTimersByTimeAsync(0)
    store.query = answers
    store.probe = hangs
    await vi.advanceTimersByTimeAsync(300)
    expect([await outcome(), store.asked]).toEqual(['away: connect ECONNREFUSED', 1])
    await breaker.close()
  })

  it('waits for a slow answer as long as the store answers the probe', async () => {
    const { breaker, store, outcome } = setUp()
    let answer = (_rows: []): void => {}
    store.query = () => new Promise((resolve) => (answer = resolve))
    const slow = breaker.history(QUERY, signal)
    await vi.advanceTimersByTimeAsync(10_000)
    expect([await outcome(slow), store.probed > 10]).toEqual(['waits', true])
    answer([])
    expect([await outcome(slow), breaker.stats.outages]).toEqual(['answered', 0])
    await breaker.close()
  })

  it('ends a slow query when the store hangs later', async () => {
    const { breaker, store, outcome } = setUp()
    store.query = hangs
    const slow = breaker.history(QUERY, signal)
    slow.catch(() => {})
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await outcome(slow)).toBe('waits')
    store.probe = hangs
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await outcome(slow)).toBe(HANGS)
    await breaker.close()
  })

  it.each<[string, () => Promise<never>, string]>([
    ['is too busy for it', refuses('away', 'max-concurrent-queries'), 'away: max-concurrent-queries'],
    ['refuses it', refuses('refused', 'no such field'), 'refused: no such field'],
    ['finds too much', refuses('too_much', 'more than 100,000 points'), 'too_much: more than 100,000 points'],
  ])('stays available when one query fails because the store %s', async (_why, query, want) => {
    const { breaker, store, outcome } = setUp()
    store.query = query
    expect(await outcome()).toBe(want)
    await vi.advanceTimersByTimeAsync(1_000)
    store.query = answers
    expect([await outcome(), breaker.problem, breaker.stats.outages]).toEqual(['answered', '', 0])
    await breaker.close()
  })

  it('finds out without a query that the store is away, refuses, or is back', async () => {
    const { breaker, store, log } = setUp()
    const problems: string[] = []
    for (const probe of [answers, unreachable, refuses('refused', 'token'), refuses('refused', 'token'), answers]) {
      store.probe = probe
      await vi.advanceTimersByTimeAsync(6_000)
      problems.push(breaker.problem)
    }
    expect(problems).toEqual(['', 'connect ECONNREFUSED', 'token', 'token', ''])
    expect(log).toEqual([
      'the store does not answer: only live values until it is back',
      'the store answers queries again',
      'the store refuses queries: check its credentials and names',
    ])
    expect(store.asked).toBe(0)
    await breaker.close()
  })

  it.each([
    ['hangs', hangs, HANGS.slice('away: '.length)],
    ['is not there', unreachable, 'connect ECONNREFUSED'],
    ['refuses', refuses('refused', 'token'), 'token'],
  ])('knows within a second of its start that the store %s', async (_how, probe, want) => {
    const { breaker, store } = setUp()
    store.probe = probe
    await vi.advanceTimersByTimeAsync(900)
    expect(breaker.problem).toBe(want)
    await breaker.close()
  })

  it('logs no refusal that is over a second later: the first write makes the database of InfluxDB 1.x', async () => {
    const { breaker, store, log } = setUp()
    store.probe = refuses('refused', 'database not found')
    await vi.advanceTimersByTimeAsync(900)
    store.probe = answers
    await vi.advanceTimersByTimeAsync(9_000)
    expect([breaker.problem, log]).toEqual(['', []])
    await breaker.close()
  })

  it('says little of a store that comes and goes', async () => {
    const { breaker, store, log } = setUp()
    for (let minute = 0; minute < 60; minute++) {
      store.probe = minute % 2 === 0 ? unreachable : answers
      await vi.advanceTimersByTimeAsync(1_000)
      await breaker.history(QUERY, signal).catch(() => {})
      store.query = minute % 2 === 0 ? answers : unreachable
    }
    expect(breaker.stats.outages).toBeGreaterThan(10)
    // Each of the two lines at once, and then one in ten seconds.
    expect(log.length).toBeLessThanOrEqual(14)
    await breaker.close()
  })

  it('does not take a caller who leaves for a store that is away', async () => {
    const { breaker, store, outcome } = setUp()
    store.query = (_question, until) =>
      new Promise((_resolve, reject) =>
        until.addEventListener('abort', () => reject(new StoreError('away', 'stopped'))),
      )
    const leaves = new AbortController()
    const query = breaker.history(QUERY, leaves.signal)
    query.catch(() => {})
    leaves.abort()
    expect([await outcome(query), store.probed]).toEqual(['away: stopped', 0])
    await breaker.close()
  })

  it('asks nothing after it is closed', async () => {
    const { breaker, store, outcome } = setUp()
    await breaker.close()
    await breaker.close()
    await vi.advanceTimersByTimeAsync(60_000)
    expect([await outcome(), store.asked, store.probed]).toEqual(['away: the reader of the store is closed', 0, 0])
  })
})
