import { describe, expect, it } from 'vitest'
import { isRefusal } from './border.ts'
import { Series, SeriesTable } from './series.ts'
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

  it('is bounded: a full table gives up idle series, and refuses new ones while none is idle', () => {
    const table = new SeriesTable({ maxSeries: 2, idleUs: 100 })
    const a = intern(table, 'a', [], 0)
    intern(table, 'b', [], 50)
    expect(isRefusal(table.intern('c', [], 90))).toBe(true)
    expect(table.refused).toBe(1)
    intern(table, 'c', [], 120)
    expect([...table].map((series) => series.measurement)).toEqual(['b', 'c'])
    expect(table.evicted).toBe(1)
    expect(a.evicted).toBe(true)
    expect(intern(table, 'a', [], 300)).not.toBe(a)
  })
})

describe('Series.field', () => {
  it('gives each name one place, in the order of first use', () => {
    const series = new Series('m', 'm', [])
    expect([series.field('x', 'float'), series.field('y', 'int'), series.field('x', 'int')]).toEqual([0, 1, 0])
    expect(series.fieldKinds).toEqual(['float', 'int'])
  })

  it('cleans names, and remembers the unclean spelling', () => {
    const series = new Series('m', 'm', [])
    expect([series.field('a\nb', 'float'), series.field('a\\nb', 'float')]).toEqual([0, 0])
    expect(series.fieldNames).toEqual(['a\\nb'])
  })

  it('refuses time, empty names and one name too many', () => {
    const series = new Series('m', 'm', [])
    const reasons = ['time', '', 'f'.repeat(257)].map((name) => {
      const answer = series.field(name, 'float')
      return typeof answer === 'number' ? 'taken' : answer.reason
    })
    expect(reasons).toEqual(['reserved_name', 'bad_name', 'bad_name'])
    for (let i = 0; i < 512; i++) expect(series.field(`f${i}`, 'float')).toBe(i)
    expect(series.field('one more', 'float')).toMatchObject({ reason: 'too_many_fields' })
  })
})
