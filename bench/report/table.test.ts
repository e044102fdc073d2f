import { describe, expect, it } from 'vitest'
import { statsLine } from '../../internal/observe/latency.ts'
import { exampleReport } from '../../test/support/example-report.ts'
import type { Pass } from './report.ts'
import { statsLines, summaryTable } from './table.ts'

const report = exampleReport()
const [, ours] = report.passes as [Pass, Pass, Pass]

describe('summaryTable', () => {
  it('is the same as the stored table', async () => {
    await expect(summaryTable(report)).toMatchFileSnapshot('testdata/summary.txt')
  })

  it('shows a single pass without ratios', () => {
    const table = summaryTable({ passes: [ours] })
    expect(table).toMatch(/^ {2}samples \/s +158,000$/m)
    expect(table).not.toContain('×')
  })

  it('shows a dash for an unknown result', () => {
    const load = { ...ours.load, servers: undefined, stored: undefined }
    const table = summaryTable({ passes: [{ ...ours, load }] })
    expect(table).toMatch(/^ {2}CPU a sample µs +–$/m)
    expect(table).toMatch(/^ {2}stored +–$/m)
    expect(table).toMatch(/^balance +the store was not asked$/m)
  })

  it.each<[string, Partial<Pass['load']>]>([
    ['12 samples are missing in the store', { balance: '12 samples are missing in the store' }],
    ['stopped before its time', { partial: true }],
    ['sent = stored + 7 reported lost', { reportedLost: 7 }],
    ['sent = stored, none lost', {}],
  ])('says %s', (words, change) => {
    expect(summaryTable({ passes: [{ ...ours, load: { ...ours.load, ...change } }] })).toContain(`   ${words}\n`)
  })

  it('aligns every column on its right', () => {
    const ends = summaryTable(report)
      .split('\n')
      .filter((row) => row.includes('×'))
      .map((row) => row.length)
    expect(new Set(ends).size).toBe(1)
  })
})

describe('statsLines', () => {
  it('has the latencies of a pass in the words of a server', () => {
    const lines = statsLines(ours)
    expect(lines).toHaveLength(3)
    expect(lines[0]).toBe(statsLine('INTERNAL', { count: 3_160_000, p50Us: 4, p90Us: 9, p99Us: 17, maxUs: 165 }))
    expect(lines[1]).toMatch(/^E2E_LATENCY_STATS count=3160000 p50_us=\d+ p90_us=\d+ p99_us=\d+$/)
    expect(lines[2]).toMatch(/^DURABLE_LATENCY_STATS count=3160000 p50_us=\d+ p90_us=\d+ p99_us=\d+$/)
  })

  it('is silent about a load without servers', () => {
    expect(statsLines({ ...ours, load: { ...ours.load, servers: undefined } })).toEqual([])
  })
})
