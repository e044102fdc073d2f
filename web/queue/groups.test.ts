import { describe, expect, it } from 'vitest'
import type { QueueGroup, QueuePartition, QueueReaderFigures } from '../../internal/view/queue/figures.ts'
import { namesText, readByTexts, readerText, wholeGroups } from './groups.ts'

const reader = (name: string, more: Partial<QueueReaderFigures> = {}): QueueReaderFigures => ({
  ...{ name, pending: 0, reads: true, idleMs: 0, clients: null, ...more },
})
const group = (name: string, more: Partial<QueueGroup> = {}): QueueGroup => ({
  ...{ group: name, lag: 0, pending: 0, oldestAgeMs: 0, readers: [], attention: [], ...more },
})
const partition = (topic: string, groups: readonly QueueGroup[]): QueuePartition => ({
  ...{ topic, partition: 0, length: 0, lag: 0, pending: 0, overflow: 0, overflowBytes: 0, oldestAgeMs: 0 },
  ...{ groups, onDisk: [], attention: [] },
})

describe('groups over all partitions', () => {
  it('are summed up by topic', () => {
    const away = reader('web-02', { reads: false, idleMs: 61_000 })
    const found = wholeGroups([
      partition('a', [group('x', { lag: 3, pending: 1, oldestAgeMs: 900, readers: [reader('web-01'), away] })]),
      partition('a', [group('x', { lag: 4, pending: 2, oldestAgeMs: 100, readers: [reader('web-01')] }), group('y')]),
      partition('b', [group('x', { lag: 9, attention: ['Nobody reads'] })]),
    ])
    expect(found).toMatchObject([
      { topic: 'a', group: 'x', lag: 7, pending: 3, oldestAgeMs: 900, readers: ['web-01'], gone: ['web-02'] },
      { topic: 'a', group: 'y', lag: 0, readers: [], gone: [] },
      { topic: 'b', group: 'x', lag: 9, needsSomebody: true },
    ])
    expect(found.map(({ needsSomebody }) => needsSomebody)).toEqual([false, false, true])
  })

  it('have a reader that reads one of the partitions', () => {
    const away = reader('web-02', { reads: false })
    const [whole] = wholeGroups([
      partition('a', [group('x', { readers: [away] })]),
      partition('a', [group('x', { readers: [reader('web-02')] })]),
    ])
    expect(whole).toMatchObject({ readers: ['web-02'], gone: [] })
  })

  it('have no lag where Redis does not know it of one partition', () => {
    const lags = [3, null, 4].map((lag) => partition('a', [group('x', { lag })]))
    expect(wholeGroups(lags)).toMatchObject([{ lag: null }])
  })
})

it.each([
  [['a', 'b', 'c'], 'a, b, c'],
  [['a', 'b', 'c', 'd'], 'a, b and 2 others'],
  [[], ''],
])('the names %j', (names, text) => expect(namesText(names)).toBe(text))

it('says who reads a partition', () => {
  const gone = reader('web-02', { reads: false, idleMs: 125_000, pending: 1200 })
  expect(readByTexts(partition('a', [group('x', { readers: [reader('web-01'), gone] }), group('y')]))).toEqual([
    'x: web-01',
    'y: nobody',
  ])
  expect(readerText(gone)).toBe('silent for 2 min, holds 1,200')
  expect(readerText(reader('gateway-a', { clients: 1 }))).toBe('reads, holds nothing, 1 client')
})
