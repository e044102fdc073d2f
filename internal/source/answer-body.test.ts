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

  it('keeps its buffer from body to body', () => {
    const body = new AnswerBody(1_000_000)
    body.begin(300_000)
    body.add(Buffer.alloc(300_000))
    const { buffer } = body.bytes
    body.begin(200_000)
    body.add(Buffer.alloc(200_000))
    expect(body.bytes.buffer).toBe(buffer)
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
