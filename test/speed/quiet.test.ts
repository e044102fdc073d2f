import { describe, expect, it } from 'vitest'
import { disturbances, shortages } from './quiet.ts'
import type { Row } from './row.ts'

const SETTINGS = { seconds: 30, minutes: 30, halfRate: 100_000 }
const ROW: Row = {
  ...{ id: 'a', page: 'memory', what: 'A', command: 'a', figures: [] },
  samples: ({ minutes, halfRate }) => minutes * 60 * halfRate,
  run: async () => ({ figures: {} }),
}

describe('disturbances', () => {
  it('are those of a machine that does something else', () => {
    expect(disturbances(0.5)).toEqual([])
    expect(disturbances(0.51)).toEqual([expect.stringContaining('load average is 0.51')])
  })
})

describe('shortages', () => {
  it('are reckoned from the largest row', () => {
    expect(shortages([ROW], SETTINGS, { memory: 8e9, disk: 10e9 })).toEqual([])
    expect(shortages([ROW], SETTINGS, { memory: 8e9, disk: 9e9 })).toEqual([
      expect.stringMatching(/: 9\.0 GB free, 9\.2 GB needed$/),
    ])
    expect(shortages([], SETTINGS, { memory: 2e9, disk: 9e9 })).toEqual(['memory: 2.0 GB free, 3.0 GB needed'])
  })
})
