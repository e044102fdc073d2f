import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RunSpans } from './run-spans.ts'
import { readSpoolRecord, writeSpoolRecord } from './spool-record.ts'

describe('RunSpans', () => {
  it('knows the run of each sample, and of no other index', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('', 'a', 'web-01:agent:7f', 'ü"\\\n')), (runs) => {
        const spans = new RunSpans()
        for (const [index, run] of runs.entries()) spans.note(run, index)
        const read = RunSpans.parse(JSON.stringify(spans))
        for (const [index, run] of runs.entries()) expect([spans.of(index), read.of(index)]).toEqual([run, run])
        expect(read.of(-1)).toBe('')
      }),
    )
  })

  it('serves the next batch as if it were new', () => {
    const spans = new RunSpans([
      ['a', 0],
      ['b', 1],
    ])
    spans.clear()
    expect(spans.of(1)).toBe('')
    spans.note('b', 0)
    expect(JSON.stringify(spans)).toBe('[["b",0]]')
  })

  it('takes more after it was read', () => {
    const spans = RunSpans.parse('[["a",0]]')
    spans.note('a', 3)
    spans.note('b', 5)
    expect(JSON.stringify(spans)).toBe('[["a",0],["b",5]]')
  })

  it.each(['', '{', '{}', '[1]', '[["a"]]', '[[1,2]]', '[["a",0.5]]'])('refuses %j', (text) => {
    expect(() => RunSpans.parse(text)).toThrow()
  })
})

describe('a record of the spool', () => {
  const batch = (text: string): Parameters<typeof writeSpoolRecord>[0]['batch'] => ({
    samples: 2,
    bytes: text.length,
    add: () => undefined,
    toRecord: () => Buffer.from(text),
    release: () => {},
  })
  const writer = { batchOf: (bytes: Buffer) => batch(bytes.toString()) }

  it('keeps the times of its messages, the runs of its samples, and the samples', () => {
    const spans = new RunSpans([
      ['a', 0],
      ['b', 1],
    ])
    const sentAt = Float64Array.of(1_763_900_000_123_456, 7)
    const read = readSpoolRecord(Buffer.concat(writeSpoolRecord({ batch: batch('two lines'), sentAt, spans })), writer)
    expect(read.sentAt).toEqual(sentAt)
    expect([0, 1].map((index) => read.spans.of(index))).toEqual(['a', 'b'])
    expect(read.batch.toRecord().toString()).toBe('two lines')
  })

  it('is refused where it is cut, or has another form', () => {
    const whole = Buffer.concat(
      writeSpoolRecord({ batch: batch(''), sentAt: Float64Array.of(1), spans: new RunSpans([['a', 0]]) }),
    )
    for (let bytes = 0; bytes < whole.length; bytes++) {
      expect(() => readSpoolRecord(whole.subarray(0, bytes), writer)).toThrow()
    }
    whole[0] = 9
    expect(() => readSpoolRecord(whole, writer)).toThrow('another version')
  })
})
