import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { FigureResult, Measured, RowResult } from '../speed/result.ts'
import { benchmarksPage, type Figures } from './page.ts'
import { PAGE, pageOfFiles } from './page-file.ts'

it('docs/benchmarks.md is what the stored figures make it (npm run docs writes it)', () => {
  expect(readFileSync(PAGE, 'utf8')).toBe(pageOfFiles())
})

const NOTHING: Figures = {
  speed: undefined,
  fabric: undefined,
  sources: undefined,
  compare: undefined,
  scaling: undefined,
  memory: undefined,
  micro: undefined,
}
const MEASURED: Measured = {
  at: '2026-01-02T03:04:05.678Z',
  machine: { cpu: 'A CPU', cores: 2, memoryBytes: 4 * 2 ** 30, kernel: 'Linux 6.1 x86_64', loadAverage: 0.1 },
  node: 'v20.20.2',
  commit: { hash: '0123456789abcdef', changed: false },
}
const FIGURE: FigureResult = {
  ...{ name: 'throughput', unit: 'samples/s', decimals: 0, values: [1000, 1200, 1100], median: 1100, spread: 200 },
  ...{ reach: { atLeast: 1050 }, met: true },
}
const ROW: RowResult = {
  ...{ id: 'a', what: 'one server', command: 'npm run speed -- --rows a', figures: [FIGURE], met: true },
  ...{ notes: [], timeline: [], versions: { Redis: '7.0.15' }, measured: MEASURED },
}

const speedPage = (...rows: RowResult[]): string => benchmarksPage({ ...NOTHING, speed: { version: 1, rows } })

describe('the page', () => {
  it('says of what is missing which command measures it', () => {
    const page = benchmarksPage(NOTHING)
    for (const command of [
      'npm run speed -- --write',
      'npm run speed -- --rows scaling --write',
      'npm run bench -- --write',
    ]) {
      expect(page).toContain(`Not measured yet: \`${command}\` does it.`)
    }
  })

  it('has with each figure its runs, spread, command, machine, Node.js and commit', () => {
    const page = speedPage(ROW)
    expect(page).toContain(
      '| **a**: one server | throughput | ≥ 1,050 samples/s | **1,100 samples/s** | 1,000 · 1,200 · 1,100 | 200 | reached |',
    )
    expect(page).toContain('- **a**: `npm run speed -- --rows a`')
    expect(page).toContain(
      'Measured on A CPU, 2 cores, 4 GiB, Linux 6.1 x86_64, load average 0.1 before; Node.js v20.20.2; Redis 7.0.15; commit `0123456789ab`; 2026-01-02.',
    )
  })

  it('says what is not reached, what has nothing to reach, and what could not be measured', () => {
    const late: FigureResult = { ...FIGURE, name: 'p99', unit: 'µs', decimals: 1, reach: { atMost: 20 }, met: false }
    const free: FigureResult = { name: 'ratio', unit: '', decimals: 2, values: [1.5], median: 1.5, spread: 0 }
    const unknown: FigureResult = { ...FIGURE, values: [], median: undefined, spread: undefined, met: undefined }
    const page = speedPage({ ...ROW, figures: [late, free, unknown], notes: ['Redis was at its limit'] })
    expect(page).toContain(
      '| **a**: one server | p99 | ≤ 20.0 µs | **1,100.0 µs** | 1,000.0 · 1,200.0 · 1,100.0 | 200.0 | **not reached** |',
    )
    expect(page).toContain('|  | ratio | – | **1.50** | 1.50 | 0.00 |  |')
    expect(page).toContain('|  | throughput | ≥ 1,050 samples/s | **–** |  | – |  |')
    expect(page).toContain('- **a**: Redis was at its limit')
  })

  it('keeps apart what was not measured under the same circumstances', () => {
    const other = {
      ...ROW,
      id: 'b',
      measured: { ...MEASURED, commit: { hash: 'fedcba9876543210', changed: true } },
    }
    const elsewhere = { ...ROW, id: 'c', versions: {}, measured: { ...MEASURED, commit: undefined } }
    const page = speedPage(ROW, { ...ROW, id: 'again' }, other, elsewhere)
    expect(page).toContain('- a; again: measured on A CPU')
    expect(page).toMatch(/^- b: measured on .* commit `fedcba987654` with changes; 2026-01-02$/m)
    expect(page).toMatch(/^- c: measured on .* Node.js v20.20.2; no commit; 2026-01-02$/m)
  })

  it('shows some moments of a long run, the last among them', () => {
    const timeline = Array.from({ length: 100 }, (_, n) => ({
      atS: n,
      rssMB: 80.4,
      sent: n * 1000,
      held: 5,
      spooled: 0,
    }))
    const page = benchmarksPage({ ...NOTHING, memory: { version: 1, rows: [{ ...ROW, timeline }] } })
    expect(page).toContain('**a**, its last run:')
    expect(page).toContain('| 0 | 80 | 0 | 5 | 0 |\n| 7 | 80 | 7,000 | 5 | 0 |')
    expect(page).toContain('| 99 | 80 | 99,000 | 5 | 0 |')
    expect(page.match(/\| 80 \|/g)).toHaveLength(16)
  })

  it('has the micro-benchmarks, with what one operation is', () => {
    const benchmarks = [
      { name: 'decode > packed', unit: 'sample', ratios: [0.0001, 0.0003, 0.0002], ns: [101, 120.4, 100], busy: [] },
    ]
    const page = benchmarksPage({
      ...NOTHING,
      micro: { ...MEASURED, measuredAt: MEASURED.at, command: 'npm run bench -- --write', benchmarks },
    })
    expect(page).toContain('| decode > packed | sample | **101** | 101 · 120 · 100 | 20.4 | 200 |')
    expect(page).toContain('Measured on A CPU')
  })
})
