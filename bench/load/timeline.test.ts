import { expect, test } from 'vitest'
import type { Counts } from './counts.ts'
import type { LatencyInterval } from './load-types.ts'
import type { ServerFigures } from './servers.ts'
import { Timeline } from './timeline.ts'

const NONE: Counts = { count: 0, sum: 0, max: 0, buckets: [] }

/** A server that has written this many samples, with these e2e latencies. */
function figures(written: number, ...e2e: ReadonlyArray<readonly [us: number, count: number]>): ServerFigures {
  const count = e2e.reduce((sum, [, times]) => sum + times, 0)
  return {
    ...{ cpuUs: 0, rssBytes: 1000 },
    ledger: {
      ...{ messages: 0, received: 0, own: 0, ownDropped: 0, takenOver: 0, written, rejected: 0, dropped: 0 },
      ...{ held: 3, spooled: 4, lost: 0, duplicates: 0, trimmed: 0 },
    },
    latency: { internal: NONE, e2e: { count, sum: 0, max: e2e.at(-1)?.[0] ?? 0, buckets: e2e }, durable: NONE },
    gc: NONE,
  }
}

test('each point has the samples written since the beginning and the latencies of its second, over all servers', () => {
  const timeline = new Timeline([figures(100), figures(50)])
  timeline.add(1000.4, 10, [figures(110, [7, 100]), figures(55, [9, 1])])
  timeline.add(2000, 30, [figures(130, [7, 101]), figures(70, [9, 1])])
  expect(timeline.points).toEqual([
    {
      atMs: 1000,
      sent: 10,
      written: 15,
      held: 6,
      spooled: 8,
      rssBytes: 2000,
      p99: { internal: 0, e2e: 7, durable: 0 },
    },
    {
      atMs: 2000,
      sent: 30,
      written: 50,
      held: 6,
      spooled: 8,
      rssBytes: 2000,
      p99: { internal: 0, e2e: 7, durable: 0 },
    },
  ])
})

test('the latencies come by intervals that meet, the last one until all was settled', () => {
  const intervals: LatencyInterval[] = []
  const timeline = new Timeline([figures(0, [7, 5])], (interval) => intervals.push(interval))
  timeline.add(1000, 10, [figures(10, [7, 6])])
  timeline.add(2000, 20, [figures(20, [7, 6])])
  timeline.end(2100, [figures(30, [7, 6], [9, 2])])
  expect(intervals.map(({ fromMs, toMs, latency }) => [fromMs, toMs, latency.e2e.buckets])).toEqual([
    [0, 1000, [[7, 1]]],
    [1000, 2000, []],
    [2000, 2100, [[9, 2]]],
  ])
})
