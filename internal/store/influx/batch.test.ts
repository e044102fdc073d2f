import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../sample/border.ts'
import { SeriesTable } from '../../sample/series.ts'
import { BatchPool, LineBatch } from './batch.ts'
import { sampleOfLine } from './lines.contract.ts'

const LIMITS = { maxSamples: 3, maxBytes: 100, maxLineBytes: 200 }

const addLine = (batch: LineBatch, line: string): ReturnType<LineBatch['add']> => batch.add(sampleOfLine(line))

/** A line of so many bytes with its newline. */
const lineOf = (bytes: number): string => `m v="${'x'.repeat(bytes - 9)}" 1`

describe('LineBatch', () => {
  it('holds lines one after the other, and finds each by its index', () => {
    const batch = new BatchPool().open({ ...LIMITS, maxBytes: 1000 })
    const texts = ['a v=1 1', 'b,host=käse v="line1\nline2" 2', 'c v=3 3']
    for (const text of texts) expect(addLine(batch, text)).toBeUndefined()
    expect(batch.body.toString()).toBe(`${texts.join('\n')}\n`)
    expect(texts.map((_, index) => batch.line(index))).toEqual(texts)
    expect(texts.map((_, index) => batch.lineBytes(index).toString())).toEqual(texts.map((text) => `${text}\n`))
    expect([batch.samples, batch.bytes]).toEqual([3, batch.body.length])
  })

  it('is full at maxSamples and before maxBytes', () => {
    const pool = new BatchPool()
    const batch = pool.open(LIMITS)
    const four = ['a v=1 1', 'b v=1 1', 'c v=1 1', 'd v=1 1']
    expect(four.map((line) => addLine(batch, line) ?? 'in')).toEqual(['in', 'in', 'in', 'full'])
    const wide = pool.open(LIMITS)
    expect([50, 50, 9].map((bytes) => addLine(wide, lineOf(bytes)) ?? 'in')).toEqual(['in', 'in', 'full'])
    expect(wide.bytes).toBe(100)
  })

  it('takes a line over maxBytes alone, and refuses one over maxLineBytes', () => {
    const batch = new BatchPool().open(LIMITS)
    expect(addLine(batch, lineOf(201))).toMatchObject({ reason: 'too_large' })
    expect(addLine(batch, lineOf(200))).toBeUndefined()
    expect(addLine(batch, lineOf(200))).toBe('full')
    expect(addLine(batch, lineOf(201))).toMatchObject({ reason: 'too_large' })
    expect(batch.line(0)).toBe(lineOf(200))
  })

  it('refuses a sample without a value', () => {
    const batch = new BatchPool().open(LIMITS)
    const series = new SeriesTable().intern('m', [], 0)
    if (isRefusal(series)) throw new Error(series.detail)
    expect(batch.add({ series, values: [undefined], at: 1, tie: 0 })).toMatchObject({ reason: 'no_fields' })
    expect(batch.samples).toBe(0)
  })

  it('grows, and keeps its lines', () => {
    const batch = new BatchPool().open({ maxSamples: 5000, maxBytes: 1 << 20, maxLineBytes: 1 << 20 })
    const line = (n: number): string => `m,host=${'h'.repeat(1 + (n % 400))} v=${n} ${n}`
    for (let n = 0; n < 4000; n++) expect(addLine(batch, line(n))).toBeUndefined()
    for (let n = 0; n < 4000; n++) expect(batch.line(n)).toBe(line(n))
  })
})

describe('BatchPool', () => {
  it('lends a released batch again, empty, with the current limits', () => {
    const pool = new BatchPool()
    const batch = pool.open(LIMITS)
    addLine(batch, 'a v=1 1')
    batch.release()
    const again = pool.open({ ...LIMITS, maxBytes: 5 })
    expect(again).toBe(batch)
    expect([again.samples, again.bytes, again.body.length]).toEqual([0, 0, 0])
    expect([addLine(again, 'b v=1 1'), addLine(again, 'c v=1 1')]).toEqual([undefined, 'full'])
  })

  it('finds and records every line of a batch whose limit was lower before', () => {
    const pool = new BatchPool()
    pool.open(LIMITS).release()
    const batch = pool.open({ maxSamples: 5, maxBytes: 1000, maxLineBytes: 1000 })
    const lines = ['a v=1 1', 'b v=2 2', 'c v=3 3', 'd v=4 4', 'e v=5 5']
    for (const line of lines) expect(addLine(batch, line)).toBeUndefined()
    expect(lines.map((_, index) => batch.line(index))).toEqual(lines)
    const read = LineBatch.from(batch.toRecord())
    expect([read.samples, read.body]).toEqual([5, batch.body])
  })

  it('never lends one batch to two owners, even when it is released twice', () => {
    const pool = new BatchPool()
    const batch = pool.open(LIMITS)
    batch.release()
    batch.release()
    expect(pool.open(LIMITS)).not.toBe(pool.open(LIMITS))
  })

  it('keeps at most eight idle batches', () => {
    const pool = new BatchPool()
    const batches = Array.from({ length: 20 }, () => pool.open(LIMITS))
    for (const batch of batches) batch.release()
    const again = new Set(Array.from({ length: 20 }, () => pool.open(LIMITS)))
    expect(batches.filter((batch) => again.has(batch))).toHaveLength(8)
  })
})
