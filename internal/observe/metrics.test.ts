import { describe, expect, test } from 'vitest'
import { LatencyRecorder } from './latency.ts'
import { Metrics } from './metrics.ts'
import { addProcessMetrics } from './process-metrics.ts'

describe('a metric', () => {
  test('is read at each scrape', async () => {
    let written = 0
    const metrics = new Metrics()
    metrics.counter({ name: 'sentinel_written_samples_total', help: 'Samples stored.', read: () => written })
    written = 7
    expect(await metrics.registry.metrics()).toBe(
      '# HELP sentinel_written_samples_total Samples stored.\n' +
        '# TYPE sentinel_written_samples_total counter\n' +
        'sentinel_written_samples_total 7\n',
    )
    written = 9
    expect(await metrics.registry.metrics()).toContain('sentinel_written_samples_total 9\n')
  })

  test('takes the values of its label from a map', async () => {
    const rejectedBy = new Map([['json_syntax', 2]])
    const metrics = new Metrics()
    metrics.counter({ name: 'rejected_total', help: 'x', label: 'reason', read: () => rejectedBy })
    rejectedBy.set('too_large', 1)
    const text = await metrics.registry.metrics()
    expect(text).toContain('rejected_total{reason="json_syntax"} 2\nrejected_total{reason="too_large"} 1\n')
  })

  test('that is a gauge may fall, and a label value may go', async () => {
    const held = new Map([
      ['a', 5],
      ['b', 6],
    ])
    const metrics = new Metrics()
    metrics.gauge({ name: 'held', help: 'x', label: 'where', read: () => held })
    expect(await metrics.registry.metrics()).toContain('held{where="a"} 5\nheld{where="b"} 6\n')
    held.set('a', 4)
    held.delete('b')
    expect(await metrics.registry.metrics()).toContain('# TYPE held gauge\nheld{where="a"} 4\n')
  })

  test('cannot be registered twice', () => {
    const metrics = new Metrics()
    const gauge = { name: 'held', help: 'x', read: () => 1 }
    metrics.gauge(gauge)
    expect(() => metrics.gauge(gauge)).toThrow('already been registered')
  })
})

test('a latency becomes a histogram in seconds whose buckets add up', async () => {
  const e2e = new LatencyRecorder()
  for (const us of [5, 10, 15, 1_000, 70_000_000]) e2e.record(us)
  const metrics = new Metrics()
  metrics.latency({ name: 'latency_seconds', help: 'x', label: 'stage', read: () => [['e2e', e2e]] })
  const lines = (await metrics.registry.metrics()).split('\n')
  expect(lines[1]).toBe('# TYPE latency_seconds histogram')
  const value = (line: string): number => Number(lines.find((l) => l.startsWith(line))?.split(' ')[1])
  expect(value('latency_seconds_bucket{stage="e2e",le="0.00001"}')).toBe(2)
  expect(value('latency_seconds_bucket{stage="e2e",le="0.00002"}')).toBe(3)
  expect(value('latency_seconds_bucket{stage="e2e",le="0.001"}')).toBe(4)
  expect(value('latency_seconds_bucket{stage="e2e",le="60"}')).toBe(4)
  expect(value('latency_seconds_bucket{stage="e2e",le="+Inf"}')).toBe(5)
  expect(value('latency_seconds_count{stage="e2e"}')).toBe(5)
  expect(value('latency_seconds_sum{stage="e2e"}')).toBe(70.00103)
})

test('the process describes itself in the names that dashboards know', async () => {
  const metrics = new Metrics()
  const undo = addProcessMetrics(metrics, new LatencyRecorder())
  const text = await metrics.registry.metrics()
  undo()
  const value = (name: string): number => Number(text.match(new RegExp(`^${name} (.*)$`, 'm'))?.[1])
  expect(value('process_resident_memory_bytes')).toBeGreaterThan(1e6)
  expect(value('process_cpu_seconds_total')).toBeGreaterThan(0)
  expect(value('process_start_time_seconds')).toBeLessThanOrEqual(Date.now() / 1000)
  expect(value('process_open_fds')).toBeGreaterThan(0)
  expect(text).toContain('# TYPE nodejs_gc_duration_seconds histogram')
  expect(text).toContain('# TYPE nodejs_eventloop_lag_duration_seconds histogram')
})
