import { expect, it } from 'vitest'
import { isRefusal } from './border.ts'
import { viewOf } from './same-bytes.ts'
import { type Series, SeriesTable, type SeriesTableOptions } from './series.ts'
import { SeriesFinder } from './series-finder.ts'
import { writeNames } from './series-names.ts'

const HOSTS = 200

function scene(options: SeriesTableOptions = {}) {
  const table = new SeriesTable(options)
  const finder = new SeriesFinder(table)
  const make = (host: string, nowUs = 0): Series => {
    const series = table.intern('cpu', [['host', host]], nowUs)
    if (isRefusal(series)) throw new Error(series.detail)
    return series
  }
  /** As a decoder asks: the names stand somewhere in the message, with something behind them. */
  const find = (host: string): Series | undefined => {
    const bytes = Buffer.concat([Buffer.of(7), writeNames('cpu', [['host', host]]), Buffer.of(1, 0, 9)])
    return finder.find(bytes, viewOf(bytes), 1, bytes.length)
  }
  return { make, find, finder }
}

it('finds each series, in any order and however often', () => {
  const { make, find } = scene()
  const all = Array.from({ length: HOSTS }, (_, i) => make(`web-${i}`))
  const orders = [all.keys(), all.keys(), [...all.keys()].reverse(), [...all.keys()].map((i) => (i * 7) % HOSTS)]
  for (const order of orders) for (const i of order) expect(find(`web-${i}`), `web-${i}`).toBe(all[i])
})

it('knows no series of other names, though the one that followed last time begins alike', () => {
  const { make, find } = scene()
  const series = make('web-1')
  expect(find('web-1')).toBe(series)
  for (const host of ['web-2', 'web-', 'web-11', 'web-1', 'w']) {
    expect(find(host), host).toBe(host === 'web-1' ? series : undefined)
  }
})

it('finds none in names that are not whole', () => {
  const { make, finder } = scene()
  make('web-1')
  const names = writeNames('cpu', [['host', 'web-1']])
  for (let end = 0; end < names.length; end++) {
    expect(finder.find(names, viewOf(names), 0, end), `${end} bytes`).toBeUndefined()
  }
  expect(finder.find(names, viewOf(names), 0, names.length)?.tag('host')).toBe('web-1')
})

it('gives no series that the table has given up, and finds the one that has its number now', () => {
  const { make, find } = scene({ maxSeries: 1 })
  const before = make('web-1')
  for (let i = 0; i < 2; i++) expect(find('web-1')).toBe(before)
  const after = make('web-2', 10e6)
  expect(before.evicted).toBe(true)
  expect(after.number).toBe(before.number)
  for (let i = 0; i < 2; i++) expect(find('web-1')).toBeUndefined()
  for (let i = 0; i < 2; i++) expect(find('web-2')).toBe(after)
})
