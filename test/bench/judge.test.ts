import { describe, expect, it } from 'vitest'
import { type Found, limitOf, table, type Verdict, verdictOf } from './judge.ts'
import { median } from './median.ts'
import { differences } from './micro.ts'

/** A baseline: median 100, the slowest process 4 % off. */
const STEADY = [97, 99, 100, 101, 104]
/** The slowest is 20 % off. */
const RESTLESS = [90, 95, 100, 102, 120]

const known = (ratios: readonly number[]) => ({ name: 'decode > json', unit: 'sample', ratios, ns: [1000] })

function found(ratios: readonly number[], baseline?: readonly number[], name = 'decode > json'): Found {
  return { name, unit: 'sample', ratios, ns: ratios.map((ratio) => ratio * 10), known: baseline && known(baseline) }
}

describe('the limit', () => {
  it.each([
    ['is a tenth where the baseline was steady', STEADY, 0.1],
    ['is the distance of the slowest process from the median where it was not', RESTLESS, 0.2],
  ])('%s', (_name, ratios, limit) => {
    expect(limitOf({ ratios })).toBeCloseTo(limit)
  })
})

describe('the verdict', () => {
  const cases: Array<[string, readonly number[], readonly number[] | undefined, Verdict | undefined]> = [
    ['nothing was measured yet', [], STEADY, undefined],
    ['one process within the limit', [109], STEADY, 'same'],
    ['one process beyond it', [111], STEADY, undefined],
    ['four of them', [130, 130, 130, 130], STEADY, undefined],
    ['five of them', [130, 130, 130, 130, 111], STEADY, 'slower'],
    ['four, and one within', [130, 130, 130, 130, 109], STEADY, 'same'],
    ['five below it', [70, 70, 70, 70, 90], STEADY, 'faster'],
    ['below it and beyond it', [70, 130], STEADY, 'same'],
    ['five beyond a tenth, where the baseline was not steady', [115, 115, 115, 115, 115], RESTLESS, 'same'],
    ['30 % slower where it was not steady', [1.3 * 95, 130, 130, 130, 130], RESTLESS, 'slower'],
    ['no baseline', [100], undefined, 'new'],
  ]
  it.each(cases)('%s', (_name, ratios, baseline, verdict) => {
    expect(verdictOf(found(ratios, baseline))).toBe(verdict)
  })
})

it('the table has what is slower first, and says by how much', () => {
  const text = table([
    found([101], STEADY, 'same'),
    found([80], undefined, 'new'),
    found([50, 50, 50, 50, 50], STEADY, 'faster'),
    found([130, 130, 131, 140, 125], RESTLESS, 'slower'),
  ])
  expect(text).toBe(
    `
benchmark  one        ns    was  change  limit  processes
slower     sample  1,300  1,000   +30 %  ±20 %          5  SLOWER
faster     sample    500  1,000   −50 %  ±10 %          5  faster
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
