import { afterEach, describe, expect, it, vi } from 'vitest'
import { FeedData } from '../charts/feed-data.ts'
import { loadHistory } from '../charts/history.ts'
import { PANELS } from './panels.ts'

const BUCKET_MS = 10_000
/** A moment at which a bucket begins, long ago. */
const BUCKET_AT = 1_795_400_000_000 - 400 * 86_400_000

afterEach(() => {
  vi.unstubAllGlobals()
})

/** An API over a counter that grows by 1,000 bytes a second, read each second: the last value of each bucket. */
function stubApi(): void {
  vi.stubGlobal('fetch', async (path: string) => {
    const query = new URLSearchParams(path.slice(path.indexOf('?')))
    const [startMs, endMs] = [Number(query.get('start')) / 1000, Number(query.get('end')) / 1000]
    const buckets = new Map<number, number>()
    for (let at = Math.ceil(startMs / 1000) * 1000 + 300; at < endMs; at += 1000) {
      buckets.set(Math.floor(at / BUCKET_MS) * BUCKET_MS * 1000, at)
    }
    const series = query
      .get('field')!
      .split(',')
      .map((field) => ({ field, tags: { interface: 'eth0', name: 'sda' }, points: [...buckets] }))
    return new Response(JSON.stringify({ series }))
  })
}

async function ratesOf(id: string, column: string, fromMs: number, toMs: number, follows: boolean): Promise<number[]> {
  const data = new FeedData(PANELS)
  const { signal } = new AbortController()
  await loadHistory(data.panels, {
    ...{ of: 'hosts/web', window: { fromMs, toMs }, bucketMs: BUCKET_MS, follows, signal },
    loaded: () => {},
  })
  const { table } = data.panels.find(({ panel }) => panel.id === id)!
  return table.cells(column).filter((cell) => typeof cell === 'number')
}

describe.each([
  ['network', 'down'],
  ['diskio', 'read'],
])('the rates of %s', (id, column) => {
  it.each([
    [0, 60_000, false],
    [-1_500, 61_500, false],
    [-8_500, 68_900, false],
    [-1_500, 61_500, true],
    [-8_500, 68_900, true],
  ])('are right where a range from %i to %i ms cuts its buckets (following: %s)', async (from, to, follows) => {
    stubApi()
    const rates = await ratesOf(id, column, BUCKET_AT + from, BUCKET_AT + to, follows)
    expect(rates.length).toBeGreaterThanOrEqual(6)
    expect(new Set(rates.map((rate) => Math.round(rate)))).toEqual(new Set([1000]))
  })
})
