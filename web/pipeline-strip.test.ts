import { describe, expect, it } from 'vitest'
import { figuresOf } from './pipeline-strip.ts'

const NOW_MS = 1_763_900_000_000

function role(name: string, fields: Record<string, number | string | boolean>, ageMs = 500) {
  const tags = { host: 'a', role: name }
  return { measurement: 'sentinel_pipeline', tags, fields, at: (NOW_MS - ageMs) * 1000 }
}

const SERVER = {
  samples_per_second: 100,
  e2e_p99_us: 3000,
  lost: 1,
  dropped: 0,
  rejected: 2,
  held: 3,
  store: 'duckdb',
  broker: 'memory',
}

describe('the figures of the pipeline', () => {
  it('are sums over servers and agents, and the latency of the slowest server', () => {
    const roles = [
      role('server', SERVER),
      role('server', { ...SERVER, e2e_p99_us: 9000 }),
      role('agent', { dropped: 4, held: 1 }),
    ]
    expect(figuresOf(roles, NOW_MS)).toEqual({
      samplesPerSecond: 200,
      latencies: { e2e_p50_us: null, e2e_p99_us: 9000, durable_p50_us: null, durable_p99_us: null },
      outcomes: { lost: 2, dropped: 4, rejected: 4, held: 7 },
      lostKnown: true,
      way: 'memory → duckdb',
    })
  })

  it('are unknown without a server of the last ten seconds', () => {
    expect(figuresOf([role('server', SERVER, 10_000), role('agent', {})], NOW_MS)).toBeNull()
  })

  it('do not claim that nothing was lost where that cannot be known', () => {
    const roles = [role('server', SERVER), role('server', { ...SERVER, lost_known: false })]
    expect(figuresOf(roles, NOW_MS)?.lostKnown).toBe(false)
  })
})
