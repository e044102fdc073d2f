import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ValueScanner } from './value-scanner.ts'

const PONG = '+PONG\r\n'
const FOUND = '*1\r\n$0\r\n\r\n'
const NOT_FOUND = '*1\r\n$-1\r\n'
const value = (content: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from(`*1\r\n$${content.length}\r\n`), Buffer.from(content), Buffer.from('\r\n')])

/** Replies that are passed on, as text, for chunks that share one buffer, as on a socket. @param nextRoom after each of them */
function scan(chunks: readonly Buffer[], nextRoom: () => Buffer | undefined): string[] {
  const passed: string[] = []
  const scanner = new ValueScanner((reply) => {
    passed.push(reply.toString('latin1'))
    scanner.room = nextRoom()
  })
  scanner.room = nextRoom()
  const buffer = Buffer.alloc(Math.max(0, ...chunks.map(({ length }) => length)))
  for (const chunk of chunks) {
    chunk.copy(buffer)
    scanner.push(buffer.subarray(0, chunk.length))
    buffer.fill('*')
  }
  return passed
}

const cutAt = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const bounds = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
  return bounds.slice(1).map((bound, i) => bytes.subarray(bounds[i], bound))
}

describe('ValueScanner', () => {
  it.each<[string, Buffer, number | undefined, string]>([
    ['a value that fills its room', value('a\r\nb'), 4, FOUND],
    ['an empty value', value(''), 0, FOUND],
    ['no value', Buffer.from(NOT_FOUND), 4, NOT_FOUND],
    ['a longer value than the room', value('abcde'), 4, NOT_FOUND],
    ['a shorter value than the room', value('abc'), 4, NOT_FOUND],
    ['a value that nobody asked for', value('abcd'), undefined, NOT_FOUND],
    ['an error', Buffer.from('-LOADING\r\n'), 4, '-LOADING\r\n'],
    ['an array of several', Buffer.from('*2\r\n$1\r\na\r\n$1\r\nb\r\n'), 4, '*2\r\n$1\r\na\r\n$1\r\nb\r\n'],
  ])('reads %s, wherever it is cut', (_name, reply, roomBytes, passedOn) => {
    const bytes = Buffer.concat([Buffer.from(PONG), reply, Buffer.from(PONG)])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const room = roomBytes === undefined ? undefined : Buffer.alloc(roomBytes, '.')
      expect(scan(cutAt(bytes, [cut]), () => room)).toEqual([PONG, passedOn, PONG])
      if (passedOn === FOUND) expect(value(room!).equals(reply)).toBe(true)
      else expect(room?.toString() ?? '').toBe('.'.repeat(roomBytes ?? 0))
    }
  })

  it('puts values of any bytes where they belong, in any chunks', () => {
    const content = fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes))
    fc.assert(
      fc.property(fc.array(content), fc.array(fc.nat({ max: 9000 })), (contents, cuts) => {
        const rooms = contents.map(({ length }) => Buffer.alloc(length))
        let next = 0
        const passed = scan(cutAt(Buffer.concat(contents.map(value)), cuts), () => rooms[next++])
        expect(passed).toEqual(contents.map(() => FOUND))
        expect(rooms).toEqual(contents)
      }),
    )
  })

  it('keeps no part of a value: a room of 8 MiB is filled by the chunks themselves', () => {
    const room = Buffer.alloc(8 << 20)
    const bytes = value(Buffer.alloc(room.length, 'sentinel'))
    const headBytes = bytes.indexOf('sentinel')
    const scanner = new ValueScanner(() => {})
    scanner.room = room
    for (let at = 0; at < bytes.length; at += 65_536) {
      const chunk = bytes.subarray(at, at + 65_536)
      scanner.push(chunk)
      // What has come is there already, byte for byte.
      const [from, to] = [Math.max(0, at - headBytes), Math.min(room.length, at + chunk.length - headBytes)]
      expect(room.subarray(from, to).includes(0)).toBe(false)
    }
    expect(value(room).equals(bytes)).toBe(true)
  })

  it.each([
    ['a value of 10 GB', '*1\r\n$10000000000\r\n'],
    ['a length that is not a number', '*1\r\n$1x\r\n'],
    ['a line without an end', `+${'a'.repeat(65_536)}`],
  ])('refuses %s', (_name, text) => {
    expect(() => scan([Buffer.from(text)], () => undefined)).toThrow('Protocol error')
  })
})
