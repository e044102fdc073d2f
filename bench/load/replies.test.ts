import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReplyParser } from './replies.ts'

/** Feeds the pieces. @returns a number for each reply, a text for each error */
function heard(pieces: readonly Buffer[]): Array<number | string> {
  const all: Array<number | string> = []
  const parser = new ReplyParser({ onReply: (value) => all.push(value), onError: (message) => all.push(message) })
  for (const piece of pieces) parser.feed(piece)
  return all
}

const TEXT = '+OK\r\n:0\r\n:12\r\n$15\r\n1763900000000-0\r\n-OOM command not allowed\r\n$0\r\n\r\n:3\r\n'
const MEANING = [1, 0, 12, 1, 'OOM command not allowed', 1, 3]

describe('replies', () => {
  test('cut at any byte are the same', () => {
    const bytes = Buffer.from(TEXT)
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(heard([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(MEANING)
    }
  })

  test('of any kind, in pieces of any size, are read in order', () => {
    const reply = fc.oneof(
      fc.nat().map((value) => [`:${value}\r\n`, value] as const),
      fc.stringMatching(/^[\r\n:$+*0-9a-z-]{0,40}$/).map((text) => [`$${text.length}\r\n${text}\r\n`, 1] as const),
      fc.stringMatching(/^ERR [a-z ]{1,20}[a-z]$/).map((text) => [`-${text}\r\n`, text] as const),
      fc.constant(['+PONG\r\n', 1] as const),
    )
    fc.assert(
      fc.property(fc.array(reply), fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (replies, sizes) => {
        const bytes = Buffer.from(replies.map(([text]) => text).join(''))
        const pieces: Buffer[] = []
        for (let at = 0; at < bytes.length; ) {
          const size: number = sizes.next().value!
          pieces.push(bytes.subarray(at, at + size))
          at += size
        }
        expect(heard(pieces)).toEqual(replies.map(([, meaning]) => meaning))
      }),
    )
  })

  test.each(['HTTP/1.1 400 Bad Request\r\n', ':1x\r\n', '*2\r\n'])('%j is not from Redis', (text) => {
    expect(() => heard([Buffer.from(text)])).toThrow(/^Protocol error/)
  })
})
