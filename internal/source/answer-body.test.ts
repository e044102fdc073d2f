import { describe, expect, it } from 'vitest'
import { AnswerBody } from './answer-body.ts'

describe('an answer body', () => {
  it('has what was added since it began, whatever it had before', () => {
    const body = new AnswerBody(1_000_000)
    for (const [expected, chunks] of [
      [0, ['ab', '', 'c']],
      [300_000, ['x'.repeat(200_000), 'y'.repeat(200_000)]],
      [5, ['z']],
      [0, []],
    ] as const) {
      // biome-ignore format: one line
      body.begin(expected)
      for (const chunk of chunks) body.add(Buffer.from(chunk))
      expect(body.bytes.toString()).toBe(chunks.join(''))
    }
  })

  it('keeps its buffer from body to body, also where one is a little larger', () => {
    const body = new AnswerBody(1_000_000)
    body.begin(300_000)
    body.add(Buffer.alloc(300_000))
    const { buffer } = body.bytes
    for (const length of [200_000, 330_000]) {
      body.begin(length)
      body.add(Buffer.alloc(length))
      expect(body.bytes.buffer).toBe(buffer)
    }
  })

  it('tells of each chunk that it has taken', () => {
    const told: number[] = []
    const body = new AnswerBody(1000, undefined, (bytes) => void told.push(bytes))
    body.begin(3)
    for (const chunk of ['ab', 'c']) body.add(Buffer.from(chunk))
    expect(() => body.add(Buffer.alloc(1000))).toThrow(/more than/)
    expect(told).toEqual([2, 1])
  })

  it('takes its most, and no byte more', () => {
    const body = new AnswerBody(1000)
    body.begin(1000)
    body.add(Buffer.alloc(999))
    body.add(Buffer.alloc(1))
    expect(body.bytes).toHaveLength(1000)
    expect(() => body.add(Buffer.alloc(1))).toThrow(/more than 1000 B/)
    expect(() => body.begin(1001)).toThrow(/more than 1000 B/)
    body.begin()
    body.add(Buffer.from('ok'))
    expect(body.bytes.toString()).toBe('ok')
  })
})
