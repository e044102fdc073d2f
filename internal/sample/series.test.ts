import { describe, expect, it } from 'vitest'
import { isRefusal } from './border.ts'
import { type Series, SeriesTable, seriesApart } from './series.ts'
import type { Tag } from './value.ts'

function intern(table: SeriesTable, measurement: string, tags: readonly Tag[], nowUs = 0): Series {
  const series = table.intern(measurement, tags, nowUs)
  if (isRefusal(series)) throw new Error(`${series.reason}: ${series.detail}`)
  return series
}

describe('SeriesTable', () => {
  it('holds a series once, for any order of its tags', () => {
    const table = new SeriesTable()
    const a = intern(table, 'cpu', [['host', 'a'], ['cpu', 'cpu0']]) // biome-ignore format: a pair a tag
    const b = intern(table, 'cpu', [['cpu', 'cpu0'], ['host', 'a']]) // biome-ignore format: a pair a tag
    expect(b).toBe(a)
    expect(a.tags).toEqual([['cpu', 'cpu0'], ['host', 'a']]) // biome-ignore format: a pair a tag
  })

  it('leaves out empty tag values and keeps series apart whose names only look alike', () => {
    const table = new SeriesTable()
    expect(intern(table, 'm', [['a', '']]).tags).toEqual([])
    expect(intern(table, 'm,a=b', [])).not.toBe(intern(table, 'm', [['a', 'b']]))
  })

  it('sorts tags by the bytes of UTF-8, not by UTF-16 units', () => {
    const tags: Tag[] = [['\u{1f600}', '1'], ['\uffee', '2']] // biome-ignore format: a pair a tag
    const sorted = intern(new SeriesTable(), 'm', tags).tags.map(([key]) => key)
    const byBytes = tags.map(([key]) => key).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(sorted).toEqual(byBytes)
    expect(sorted).not.toEqual([...sorted].sort())
  })

  const refused: Array<[string, string, Tag[], string]> = [
    ['an empty measurement', '', [], 'bad_name'],
    ['a comment', '#m', [], 'bad_name'],
    ['a long measurement', 'm'.repeat(257), [], 'bad_name'],
    ['a long tag value', 'm', [['k', 'ü'.repeat(513)]], 'bad_name'],
    ['an empty tag key', 'm', [['', 'v']], 'bad_name'],
    ['the tag key time', 'm', [['time', 'v']], 'reserved_name'],
    ['the tag key _field', 'm', [['_field', 'v']], 'reserved_name'],
    ['the tag key _measurement', 'm', [['_measurement', 'v']], 'reserved_name'],
    ['the tag key _time', 'm', [['_time', 'v']], 'reserved_name'],
    ['the tag key _value', 'm', [['_value', 'v']], 'reserved_name'],
    ['the tag key _start', 'm', [['_start', 'v']], 'reserved_name'],
    ['the tag key _stop', 'm', [['_stop', 'v']], 'reserved_name'],
    ['a tag twice', 'm', [['k', '1'], ['k', '2']], 'duplicate_tag'], // biome-ignore format: a pair a tag
    ['too many tags', 'm', Array.from({ length: 65 }, (_, i): Tag => [`k${i}`, 'v']), 'too_many_tags'],
  ]
  it.each(refused)('refuses %s', (_name, measurement, tags, reason) => {
    const answer = new SeriesTable().intern(measurement, tags, 0)
    expect(isRefusal(answer) && answer.reason).toBe(reason)
  })

  it('is bounded: a full table gives up idle series, and holds no new ones while none is idle', () => {
    const table = new SeriesTable({ maxSeries: 2, idleUs: 100 })
    const a = intern(table, 'a', [['host', 'web-01']], 0)
    a.field('x', 'float')
    a.keepLatest([1.5])
    intern(table, 'b', [], 50)
    expect(intern(table, 'c', [], 90)).toMatchObject({ measurement: 'c', evicted: true })
    expect([table.size, table.refused]).toEqual([2, 1])
    expect(intern(table, 'c', [], 120)).toMatchObject({ measurement: 'c', evicted: false })
    expect([...table].map((series) => series.measurement).sort()).toEqual(['b', 'c'])
    expect(table.evicted).toBe(1)
    // Whoever still holds it may use it.
    expect(a).toMatchObject({ evicted: true, key: 'a\u0000host\u0001web-01', fieldNames: ['x'] })
    expect(a.latest(0)).toBe(1.5)
    expect(intern(table, 'a', [['host', 'web-01']], 300)).not.toBe(a)
  })

  it('gives up a new series soon, and one that was long in use later', () => {
    const table = new SeriesTable({ maxSeries: 100, keepAllUpTo: 0, briefUs: 10, idleUs: 1000 })
    for (const at of [0, 100]) intern(table, 'long in use', [], at)
    intern(table, 'new', [], 100)
    const left = (at: number): string[] => {
      intern(table, `${at}`, [], at)
      return [...table].map((series) => series.measurement)
    }
    expect(left(110)).toContain('new')
    expect(left(111)).not.toContain('new')
    expect(left(300)).toContain('long in use')
    expect(left(301)).not.toContain('long in use')
  })

  it('lets new series push out those that were used once, and never those in use', () => {
    const table = new SeriesTable({ maxSeries: 50 })
    const second = 1e6
    for (let at = 0; at < 100; at++) {
      for (let i = 0; i < 30; i++) expect(intern(table, 'alive', [['i', `${i}`]], at * second).evicted).toBe(false)
      for (let i = 0; i < 200; i++) intern(table, 'bomb', [['value', `${at}-${i}`]], at * second)
      expect(table.size).toBe(50)
    }
    const alive = [...table].filter(({ measurement }) => measurement === 'alive')
    expect(alive.map(({ ageUs }) => ageUs)).toEqual(new Array(30).fill(99 * second))
    // A host that begins in the middle of it is held too, once it is its turn.
    for (let at = 100; at < 103; at++) intern(table, 'host', [], at * second)
    expect(intern(table, 'host', [], 103 * second).evicted).toBe(false)
  })

  it('finds the same series as a map, however many come and go', () => {
    const table = new SeriesTable({ maxSeries: 300, keepAllUpTo: 0, briefUs: 50, idleUs: 200 })
    const held = new Map<string, Series>()
    const values = new Map<Series, number>()
    for (let at = 0; at < 20_000; at++) {
      const name = `${'x'.repeat(at % 7)}${Math.floor(Math.abs(Math.sin(at)) * 400)}`
      const series = intern(table, 'm', [['name', name]], at)
      expect(series.tags).toEqual([['name', name]])
      const known = held.get(name)
      if (known !== undefined && !known.evicted) expect(series).toBe(known)
      else expect(values.has(series)).toBe(false)
      held.set(name, series)
      const index = series.field(`f${at % 3}`, 'float') as number
      const before = values.get(series)
      if (before !== undefined) expect(series.latest(series.indexOf('f'))).toBeUndefined()
      series.keepLatest(Object.assign(new Array(index + 1).fill(undefined), { [index]: at }))
      expect(series.latest(index)).toBe(at)
      values.set(series, at)
    }
    for (const series of values.keys()) expect(series.tag('name')).toBeDefined()
    expect(table.evicted).toBeGreaterThan(1000)
    expect([...table].filter(({ evicted }) => evicted)).toEqual([])
    expect([...table].length).toBe(table.size)
  })
})

describe('Series.field', () => {
  it('gives each name one place, in the order of first use', () => {
    const series = seriesApart('m', [])
    expect([series.field('x', 'float'), series.field('y', 'int'), series.field('x', 'int')]).toEqual([0, 1, 0])
    expect(series.fieldKinds).toEqual(['float', 'int'])
  })

  it('cleans names, and remembers the unclean spelling', () => {
    const series = seriesApart('m', [])
    expect([series.field('a\nb', 'float'), series.field('a\\nb', 'float')]).toEqual([0, 0])
    expect(series.fieldNames).toEqual(['a\\nb'])
  })

  it('refuses time, empty names and one name too many', () => {
    const series = seriesApart('m', [])
    const reasons = ['time', '', 'f'.repeat(257)].map((name) => {
      const answer = series.field(name, 'float')
      return typeof answer === 'number' ? 'taken' : answer.reason
    })
    expect(reasons).toEqual(['reserved_name', 'bad_name', 'bad_name'])
    for (let i = 0; i < 512; i++) expect(series.field(`f${i}`, 'float')).toBe(i)
    expect(series.field('one more', 'float')).toMatchObject({ reason: 'too_many_fields' })
  })
})
