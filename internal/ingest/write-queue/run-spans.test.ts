import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RunSpans } from './run-spans.ts'
import { readSpoolRecord, writeSpoolRecord } from './spool-record.ts'

describe('SourceRuns', () => {
  it('knows the source of each sample, and of none beside them', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('', 'a', 'web-01:agent:7f', 'ü"\\\n')), (sources) => {
        const runs = new RunSpans()
        for (const [index, source] of sources.entries()) runs.note(source, index)
        const read = RunSpans.parse(JSON.stringify(runs))
        for (const [index, source] of sources.entries())
          expect([runs.of(index), read.of(index)]).toEqual([source, source])
        expect(read.of(-1)).toBe('')
      }),
    )
  })

  it('serves the next batch as if it were new', () => {
    const runs = new RunSpans([
      ['a', 0],
      ['b', 1],
    ])
    runs.clear()
    expect(runs.of(1)).toBe('')
    runs.note('b', 0)
    expect(JSON.stringify(runs)).toBe('[["b",0]]')
  })

  it('goes on after it was read', () => {
    const runs = RunSpans.parse('[["a",0]]')
    runs.note('a', 3)
    runs.note('b', 5)
    expect(JSON.stringify(runs)).toBe('[["a",0],["b",5]]')
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

  it('keeps the times of its messages, where its samples come from, and the samples', () => {
    const sources = new RunSpans([
      ['a', 0],
      ['b', 1],
    ])
    const sentAt = Float64Array.of(1_763_900_000_123_456, 7)
    const read = readSpoolRecord(
      Buffer.concat(writeSpoolRecord({ batch: batch('two lines'), sentAt, sources })),
      writer,
    )
    expect(read.sentAt).toEqual(sentAt)
    expect([0, 1].map((index) => read.sources.of(index))).toEqual(['a', 'b'])
    expect(read.batch.toRecord().toString()).toBe('two lines')
  })

  it('is refused where it is cut, or is none', () => {
    const whole = Buffer.concat(
      writeSpoolRecord({ batch: batch(''), sentAt: Float64Array.of(1), sources: new RunSpans([['a', 0]]) }),
    )
    for (let bytes = 0; bytes < whole.length; bytes++) {
      expect(() => readSpoolRecord(whole.subarray(0, bytes), writer)).toThrow()
    }
    whole[0] = 9
    expect(() => readSpoolRecord(whole, writer)).toThrow('another version')
  })
})
