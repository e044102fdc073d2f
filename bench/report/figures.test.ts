import { describe, expect, it } from 'vitest'
import { exampleReport } from '../../test/support/example-report.ts'
import { figuresOf, ratioOf } from './figures.ts'
import type { Pass } from './report.ts'

const [plain] = exampleReport().passes as [Pass]
const { servers } = plain.load

function figure(pass: Pass, group: string, name: string): number | undefined {
  return figuresOf([pass])
    .find((some) => some.name === group)!
    .rows.find((row) => row.name === name)!.values[0]
}

function withServers(change: Partial<NonNullable<Pass['load']['servers']>>): Pass {
  return { ...plain, load: { ...plain.load, servers: { ...servers!, ...change } } }
}

describe('figuresOf', () => {
  it('leaves the samples that the server made itself out of what one costs', () => {
    const ledger = { ...servers!.ledger, received: 1_100, own: 100 }
    expect(figure(withServers({ cpuUs: 5_000, ledger }), 'Cost of the server', 'CPU a sample')).toBe(5)
  })

  it('shares allocations out over the samples of the same time', () => {
    const allocations = { seconds: 5, samples: 7, heapBytes: 7 * 200, externalBytes: 0, collections: 1, pauseUs: 1 }
    expect(figure(withServers({ allocations }), 'Cost of the server', 'heap a sample')).toBe(200)
    expect(figure(withServers({ allocations }), 'Cost of the server', 'buffers a sample')).toBe(0)
    expect(figure(withServers({ allocations: undefined }), 'Cost of the server', 'heap a sample')).toBeUndefined()
  })

  it('shares the pauses of several servers out over their time', () => {
    const gc = { count: 10, sum: 401_600, max: 50_000, buckets: [[50_000, 10] as const] }
    const pass = { ...withServers({ gc }), serverCount: 2 }
    // For each of two servers: 20 s of load, and 40 ms until all was settled.
    expect(figure(pass, 'Cost of the server', 'GC share of time')).toBeCloseTo((0.4016 / 2 / 20.04) * 100)
  })

  it('has no percentile without values', () => {
    const nothing = { count: 0, sum: 0, max: 0, buckets: [] }
    const latency = { internal: nothing, e2e: nothing, durable: nothing }
    expect(figure(withServers({ latency }), 'Durable latency', 'p99')).toBeUndefined()
  })
})

it.each<[number | undefined, number | undefined, string]>([
  [50, 200, '×0.25'],
  [5_000, 2, '×2,500.00'],
  [5, 0, ''],
  [undefined, 5, ''],
  [5, undefined, ''],
])('ratioOf(%s, %s) is %s', (value, first, text) => {
  expect(ratioOf(value, first)).toBe(text)
})
