import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listTags } from 'hdr-histogram-js'
import { expect, it } from 'vitest'
import { exampleReport } from '../../test/support/example-report.ts'
import { readHistogramLog } from '../../test/support/histogram-log.ts'
import { type Counts, merge } from '../load/counts.ts'
import { hdrOf, percentileOf } from '../load/hdr.ts'
import type { LatencyInterval, LoadResult } from '../load/load.ts'
import { LatencyLog, percentilesText, writeHistograms } from './histogram-files.ts'
import { statsLines } from './table.ts'

const [pass] = exampleReport().passes
const { latency } = pass!.load.servers!
const NONE: Counts = { count: 0, sum: 0, max: 0, buckets: [] }

/** The latencies of the example in three intervals; nothing arrived in the middle one. */
function intervals(): LatencyInterval[] {
  const part = (from: number, to: number): LatencyInterval['latency'] => {
    const of = ({ buckets }: Counts): Counts => {
      const some = buckets.filter((_, at) => at / buckets.length >= from && at / buckets.length < to)
      return { ...NONE, count: some.reduce((sum, [, count]) => sum + count, 0), buckets: some }
    }
    return { internal: of(latency.internal), e2e: of(latency.e2e), durable: of(latency.durable) }
  }
  return [
    { fromMs: 0, toMs: 1000.4, latency: part(0, 0.3) },
    { fromMs: 1000.4, toMs: 2000, latency: part(1, 1) },
    { fromMs: 2000, toMs: 2300, latency: part(0.3, 1) },
  ]
}

function logOf(all: readonly LatencyInterval[]): LatencyLog {
  const log = new LatencyLog()
  for (const interval of all) log.add(interval)
  return log
}

it('is read as a log of intervals with their times and tags', () => {
  const startUs = 1_789_000_000_123_000
  const text = logOf(intervals()).text(startUs)
  expect(listTags(text)).toEqual(['internal', 'e2e', 'durable'])
  const times = readHistogramLog(text).map(({ tag, startTimeStampMsec, endTimeStampMsec }) => {
    return [tag, Math.round(startTimeStampMsec - startUs / 1000), Math.round(endTimeStampMsec - startTimeStampMsec)]
  })
  expect(times).toEqual(
    [
      [0, 1000],
      [1000, 1000],
      [2000, 300],
    ].flatMap(([from, ms]) => ['internal', 'e2e', 'durable'].map((tag) => [tag, from, ms])),
  )
  expect(text).toContain('#[StartTime: 1789000000.123 (seconds since epoch), 2026-09-10T00:26:40.123Z]\n')
})

it.each(['internal', 'e2e', 'durable'] as const)('has every %s latency of the report in its intervals', (tag) => {
  const ofTag = readHistogramLog(logOf(intervals()).text(0)).filter((one) => one.tag === tag)
  const sum = hdrOf(NONE)
  for (const one of ofTag) sum.add(one)
  expect(sum.totalCount).toBe(latency[tag].count)
  for (const p of [1, 50, 90, 99, 99.9, 100]) {
    expect(sum.getValueAtPercentile(p)).toBe(percentileOf(latency[tag], p))
  }
})

it('is the same percentiles as the stored file, in ms', async () => {
  await expect(percentilesText(latency.e2e)).toMatchFileSnapshot('testdata/e2e.hgrm')
})

it('has the percentiles of the report in each file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'histograms-'))
  try {
    const files = (await writeHistograms(pass!.load, logOf(intervals()), folder, '-b'))!
    expect(files.log).toBe(join(folder, 'latency-b.hlog'))
    const [, e2eLine] = statsLines(pass!)
    const inMs = /p50_us=(\d+) p90_us=(\d+) p99_us=(\d+)/
      .exec(e2eLine!)!
      .slice(1)
      .map((us) => Number(us) / 1000)
    const rows = (await readFile(files.e2e, 'utf8')).split('\n').map((line) => line.trim().split(/ +/).map(Number))
    // A file has no line of exactly 99 %: the first one beyond it has the same value or a larger one.
    const at = (level: number): number => rows.find(([, percentile]) => percentile! >= level)![0]!
    expect([at(0.5), at(0.9)]).toEqual(inMs.slice(0, 2))
    expect(at(0.99)).toBeGreaterThanOrEqual(inMs[2]!)
    for (const name of ['internal', 'durable'] as const) {
      expect(await readFile(files[name], 'utf8')).toBe(percentilesText(latency[name]))
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('writes nothing without servers', async () => {
  const load: LoadResult = { ...pass!.load, servers: undefined }
  expect(await writeHistograms(load, new LatencyLog(), '/nowhere')).toBeUndefined()
})

it('merges servers before it writes', () => {
  const twice = merge([latency.e2e, latency.e2e])
  expect(percentilesText(twice)).toContain(`Total count    =     ${String(twice.count).padStart(8)}`)
})
