import { describe, expect, it } from 'vitest'
import { reaches, resultOf } from './result.ts'
import type { Outcome, Row } from './row.ts'

const ROW: Row = {
  ...{ id: 'a', page: 'speed', what: 'A', command: 'npm run speed -- --rows a' },
  figures: [
    { name: 'rate', unit: '/s', decimals: 0, reach: { atLeast: 100 } },
    { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
    { name: 'CPU', unit: 'µs', decimals: 1 },
  ],
  run: async () => ({ figures: {} }),
}
const SETTINGS = { seconds: 30, minutes: 5, halfRate: 60_000 }
const MEASURED = {
  at: '2026-01-01T00:00:00.000Z',
  machine: { cpu: 'a', cores: 2, memoryBytes: 1, kernel: 'Linux', loadAverage: 0 },
  node: 'v20',
  commit: undefined,
}
const run = (rate: number, lost: number): Outcome => ({ figures: { rate, lost, CPU: 1 } })
const metOf = (...outcomes: Outcome[]) => resultOf(ROW, SETTINGS, outcomes, [], MEASURED).met

describe('resultOf', () => {
  it('decides by the medians, and tells the spread', () => {
    const { figures, met } = resultOf(ROW, SETTINGS, [run(90, 0), run(120, 0), run(101, 0)], [], MEASURED)
    expect(met).toBe(true)
    expect(figures[0]).toMatchObject({ values: [90, 120, 101], median: 101, spread: 30, met: true })
    expect(figures[2]).toMatchObject({ median: 1, spread: 0, met: undefined })
  })

  it('needs every figure that has to reach something', () => {
    expect(metOf(run(100, 0))).toBe(true)
    expect(metOf(run(99, 0))).toBe(false)
    expect(metOf(run(100, 1))).toBe(false)
  })

  it('does not know where a figure could not be measured, or nothing has to be reached', () => {
    expect(metOf()).toBeUndefined()
    expect(metOf({ figures: { rate: 100 } })).toBeUndefined()
    expect(resultOf({ ...ROW, figures: [ROW.figures[2]!] }, SETTINGS, [run(1, 0)], [], MEASURED).met).toBeUndefined()
  })

  it('says each thing once', () => {
    const outcome: Outcome = { ...run(1, 0), notes: ['the client was at its limit'] }
    expect(resultOf(ROW, SETTINGS, [outcome, outcome], ['no Redis'], MEASURED).notes).toEqual([
      'no Redis',
      'the client was at its limit',
    ])
  })

  it('names the command with the settings that a row says it depends on', () => {
    const row: Row = { ...ROW, command: ({ minutes, halfRate }) => `--minutes ${minutes} --half-rate ${halfRate}` }
    expect(resultOf(row, SETTINGS, [], [], MEASURED).command).toBe('--minutes 5 --half-rate 60000')
  })
})

describe('reaches', () => {
  it.each([
    [80, { atLeast: 80 }, true],
    [79.9, { atLeast: 80 }, false],
    [20, { atMost: 20 }, true],
    [20.1, { atMost: 20 }, false],
  ])('%d, %j: %s', (value, reach, expected) => expect(reaches(value, reach)).toBe(expected))
})
