import { describe, expect, it } from 'vitest'
import { type Found, limitOf, table, type Verdict, verdictOf } from './judge.ts'
import { median } from './median.ts'
import { differences } from './micro.ts'

/** Baselines: the third process is 2 % off the best; 10 % off; one that is half as slow again half of the time. */
const STEADY = [104, 100, 102, 103, 101]
const RESTLESS = [120, 100, 115, 110, 102]
const OF_TWO_MINDS = [150, 100, 151, 101, 152, 102, 150, 153, 150]

const known = (ratios: readonly number[]) => ({ name: 'decode > json', unit: 'sample', ratios, ns: [1000], busy: [] })

function found(ratios: readonly number[], baseline?: readonly number[], name = 'decode > json'): Found {
  return {
    name,
    unit: 'sample',
    ratios,
    ns: ratios.map((ratio) => ratio * 10),
    busy: [],
    known: baseline && known(baseline),
  }
}

describe('the limit', () => {
  it.each([
    ['is a tenth where the best processes were close', STEADY, [104, 107, 140], 0.1],
    ['is a tenth where others were not', OF_TWO_MINDS, [], 0.1],
    ['is twice the distance of the third from the best where that is more', RESTLESS, [115], 0.2],
    ['is what busy neighbours do where that is more', STEADY, [131, 110, 200], 0.31],
    ['is a tenth where there is only one', [100], [], 0.1],
  ])('%s', (_name, ratios, busy, limit) => {
    expect(limitOf({ ratios, busy })).toBeCloseTo(limit)
  })
})

describe('the verdict', () => {
  const eight = (ratio: number): number[] => Array.from({ length: 8 }, () => ratio)
  const cases: Array<[string, readonly number[], readonly number[] | undefined, Verdict | undefined]> = [
    ['nothing was measured yet', [], STEADY, undefined],
    ['one process within the limit', [109], STEADY, 'same'],
    ['one process beyond it', [111], STEADY, undefined],
    ['seven of them', eight(130).slice(1), STEADY, undefined],
    ['eight of them', [...eight(130).slice(1), 111], STEADY, 'slower'],
    ['seven, and one within', [...eight(130).slice(1), 109], STEADY, 'same'],
    ['eight below it', [...eight(70).slice(1), 90], STEADY, 'faster'],
    ['below it and beyond it', [70, 130], STEADY, 'same'],
    ['eight beyond a tenth, where the baseline was not steady', eight(115), RESTLESS, 'same'],
    ['30 % slower where it was not steady', [...eight(150).slice(1), 130], RESTLESS, 'slower'],
    ['of two minds, as before', [150, 151, 100], OF_TWO_MINDS, 'same'],
    ['of two minds, both 30 % slower', [195, 196, 195, 130, 194, 195, 131, 195], OF_TWO_MINDS, 'slower'],
    ['no baseline', [100], undefined, 'new'],
  ]
  it.each(cases)('%s', (_name, ratios, baseline, verdict) => {
    expect(verdictOf(found(ratios, baseline))).toBe(verdict)
  })
})

it('the table has what is slower first, and says by how much', () => {
  const eight = (ratio: number): number[] => Array.from({ length: 8 }, (_, n) => ratio + n)
  const text = table([
    found([101], STEADY, 'same'),
    found([80], undefined, 'new'),
    found(eight(50), STEADY, 'faster'),
    found(eight(130), RESTLESS, 'slower'),
  ])
  expect(text).toBe(
    `
benchmark  one        ns    was  change  limit  processes
slower     sample  1,300  1,000   +30 %  ±20 %          8  SLOWER
faster     sample    500  1,000   −50 %  ±10 %          8  faster
new        sample    800                                1  new
same       sample  1,010  1,000    +1 %  ±10 %          1
`.trimStart(),
  )
})

it('says when the baseline is of another machine or another Node.js', () => {
  const machine = { cpu: 'AMD EPYC', cores: 2, memoryBytes: 4e9, kernel: 'Linux 6.1', loadAverage: 0 }
  const baseline = { machine, node: 'v20.20.2' }
  expect(differences(baseline, { ...baseline, machine: { ...machine, loadAverage: 9, kernel: 'Linux 6.2' } })).toEqual(
    [],
  )
  expect(differences(baseline, { machine: { ...machine, cores: 8 }, node: 'v24.1.0' })).toEqual([
    expect.stringContaining('another machine: AMD EPYC, 2 cores, here it is AMD EPYC, 8 cores'),
    expect.stringContaining('another Node.js: v20.20.2, here it is v24.1.0'),
  ])
})

it.each([
  [[3], 3],
  [[9, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (numbers, middle) => {
  expect(median(numbers)).toBe(middle)
})
