import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../sample/border.ts'
import { SeriesTable } from '../../sample/series.ts'
import { BatchPool, LineBatch } from './batch.ts'

const LIMITS = { maxSamples: 3, maxBytes: 100, maxLineBytes: 200 }

describe('LineBatch', () => {
  it('holds lines one behind the other, and finds each again by its bytes', () => {
    const batch = new BatchPool().open({ ...LIMITS, maxBytes: 1000 })
    const texts = ['a v=1 1', 'b,host=käse v="line1\nline2" 2', 'c v=3 3']
    for (const text of texts) {
      expect(batch.addLine(Buffer.from(`${text}\n`).toString('latin1'))).toBeUndefined()
    }
    expect(batch.body.toString()).toBe(`${texts.join('\n')}\n`)
    expect(texts.map((_, index) => batch.line(index))).toEqual(texts)
    expect(texts.map((_, index) => batch.lineBytes(index).toString())).toEqual(texts.map((text) => `${text}\n`))
    expect([batch.samples, batch.bytes]).toEqual([3, batch.body.length])
  })

  it('is full at maxSamples and before maxBytes', () => {
    const pool = new BatchPool()
    const batch = pool.open(LIMITS)
    expect(['a\n', 'b\n', 'c\n', 'd\n'].map((line) => batch.addLine(line) ?? 'in')).toEqual(['in', 'in', 'in', 'full'])
    const wide = pool.open(LIMITS)
    const line = `${'x'.repeat(49)}\n`
    expect([line, line, '\n'].map((text) => wide.addLine(text) ?? 'in')).toEqual(['in', 'in', 'full'])
    expect(wide.bytes).toBe(100)
  })

  it('takes a line over maxBytes alone, and none over maxLineBytes', () => {
    const batch = new BatchPool().open(LIMITS)
    const large = `${'x'.repeat(150)}\n`
    expect(batch.addLine(`${'x'.repeat(200)}\n`)).toMatchObject({ reason: 'too_large' })
    expect(batch.addLine(large)).toBeUndefined()
    expect(batch.addLine(large)).toBe('full')
    expect(batch.addLine(`${'x'.repeat(200)}\n`)).toMatchObject({ reason: 'too_large' })
    expect(batch.line(0)).toBe(large.trimEnd())
  })

  it('refuses a sample without a value', () => {
    const batch = new BatchPool().open(LIMITS)
    const series = new SeriesTable().intern('m', [], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    expect(batch.add({ series, values: [undefined], at: 1, tie: 0 })).toMatchObject({ reason: 'no_fields' })
    expect(batch.samples).toBe(0)
  })

  it('grows, and keeps what was in it', () => {
    const batch = new BatchPool().open({ maxSamples: 5000, maxBytes: 1 << 20, maxLineBytes: 1 << 20 })
    const line = (n: number): string => `m,host=${'h'.repeat(n % 400)} v=${n} ${n}`
    for (let n = 0; n < 4000; n++) expect(batch.addLine(`${line(n)}\n`)).toBeUndefined()
    for (let n = 0; n < 4000; n++) expect(batch.line(n)).toBe(line(n))
  })
})

describe('BatchPool', () => {
  it('gives a released batch out again, empty, with the limits of the moment', () => {
    const pool = new BatchPool()
    const batch = pool.open(LIMITS)
    batch.addLine('a v=1 1\n')
    batch.release()
    const again = pool.open({ ...LIMITS, maxBytes: 5 })
    expect(again).toBe(batch)
    expect([again.samples, again.bytes, again.body.length]).toEqual([0, 0, 0])
    expect([again.addLine('b v=1\n'), again.addLine('c\n')]).toEqual([undefined, 'full'])
  })

  it('finds and records every line of a batch that had a lower limit before', () => {
    const pool = new BatchPool()
    pool.open(LIMITS).release()
    const batch = pool.open({ maxSamples: 5, maxBytes: 1000, maxLineBytes: 1000 })
    const lines = ['a v=1 1', 'b v=2 2', 'c v=3 3', 'd v=4 4', 'e v=5 5']
    for (const line of lines) expect(batch.addLine(`${line}\n`)).toBeUndefined()
    expect(lines.map((_, index) => batch.line(index))).toEqual(lines)
    const read = LineBatch.from(batch.toRecord())
    expect([read.samples, read.body]).toEqual([5, batch.body])
  })

  it('never gives one batch to two owners, though it is released twice', () => {
    const pool = new BatchPool()
    const batch = pool.open(LIMITS)
    batch.release()
    batch.release()
    expect(pool.open(LIMITS)).not.toBe(pool.open(LIMITS))
  })

  it('keeps only a few', () => {
    const pool = new BatchPool()
    const batches = Array.from({ length: 20 }, () => pool.open(LIMITS))
    for (const batch of batches) batch.release()
    const again = new Set(Array.from({ length: 20 }, () => pool.open(LIMITS)))
    expect(batches.filter((batch) => again.has(batch))).toHaveLength(8)
  })
})
