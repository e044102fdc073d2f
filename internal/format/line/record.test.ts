import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readLineRecord, writeLineRecord } from './record.ts'

function recordOf(lines: readonly Buffer[]): Buffer {
  const ends = new Uint32Array(lines.length)
  let end = 0
  lines.forEach(({ length }, i) => {
    end += length
    ends[i] = end
  })
  return writeLineRecord({ body: Buffer.concat(lines), ends })
}

describe('a record of lines', () => {
  it('gives back every line, with any bytes', () => {
    const line = fc.uint8Array({ minLength: 1, maxLength: 50 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const { body, ends } = readLineRecord(recordOf(lines))
        expect(Array.from(ends, (end, i) => body.subarray(ends[i - 1] ?? 0, end))).toEqual(lines)
      }),
    )
  })

  const good = recordOf([Buffer.from('m v="\n" 1\n'), Buffer.from('m v=2 2\n')])
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good)
    bytes.writeUInt32LE(value, at)
    return bytes
  }
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['more lines than there is room for', changed(0, 4_000_000_000)],
    ['fewer lines than there is text', changed(0, 1)],
    ['a line that ends before it begins', changed(8, 10)],
    ['a line that ends behind the text', changed(8, 100)],
    ['cut short', good.subarray(0, good.length - 1)],
  ])('is none: %s', (_name, bytes) => {
    expect(() => readLineRecord(bytes)).toThrow(RangeError)
  })
})
