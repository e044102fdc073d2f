import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PushScanner } from './push-scanner.ts'

const bulk = (payload: Buffer | string): Buffer => {
  const bytes = Buffer.from(payload)
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}
const message = (channel: string, payload: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from('*3\r\n'), bulk('message'), bulk(channel), bulk(payload)])

/**
 * What the scanner finds in the chunks, in order: messages in hex, other replies as text. The chunks share one buffer,
 * as on a socket.
 */
function scan(chunks: readonly Buffer[]): string[] {
  const found: string[] = []
  const scanner = new PushScanner(
    (payload) => found.push(`message ${payload.toString('hex')}`),
    (reply) => found.push(`other ${reply.toString('latin1')}`),
  )
  const buffer = Buffer.alloc(Math.max(0, ...chunks.map(({ length }) => length)))
  for (const chunk of chunks) {
    chunk.copy(buffer)
    scanner.push(buffer.subarray(0, chunk.length))
    buffer.fill('*')
  }
  return found
}

const asMessage = (payload: Buffer | string): string => `message ${Buffer.from(payload).toString('hex')}`

describe('PushScanner', () => {
  const others: Array<[string, string]> = [
    ['a status', '+PONG\r\n'],
    ['an error', '-NOAUTH Authentication required.\r\n'],
    ['a number', ':-1\r\n'],
    ['a bulk string with line ends', '$6\r\na\r\nb\r\n\r\n'],
    ['no bulk string', '$-1\r\n'],
    ['an empty bulk string', '$0\r\n\r\n'],
    ['no array', '*-1\r\n'],
    ['an empty array', '*0\r\n'],
    ['a confirmation', '*3\r\n$9\r\nsubscribe\r\n$7\r\nmetrics\r\n:1\r\n'],
    ['the confirmation that nothing was subscribed', '*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n'],
    ['a pong of a subscriber', '*2\r\n$4\r\npong\r\n$0\r\n\r\n'],
    ['a message to a pattern', '*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n'],
    ['arrays in an array', '*2\r\n*1\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n'],
  ]
  it.each(others)('passes on %s, wherever it is cut', (_name, reply) => {
    const bytes = Buffer.concat([message('metrics', 'before'), Buffer.from(reply), message('metrics', 'after')])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)]
      expect(scan(chunks)).toEqual([asMessage('before'), `other ${reply}`, asMessage('after')])
    }
  })

  it('finds payloads of any bytes and length in any chunks, in order', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: 500, maxLength: 530 }),
      fc.constant(message('metrics', 'a message in a message')),
    )
    const reply = fc.constantFrom(...others.map(([, text]) => text))
    const part = fc.oneof({ weight: 3, arbitrary: payload }, { weight: 1, arbitrary: reply })
    const parts = fc.array(part, { maxLength: 20 })
    fc.assert(
      fc.property(parts, fc.array(fc.nat({ max: 4000 }), { maxLength: 20 }), (all, cuts) => {
        const bytes = Buffer.concat(
          all.map((one) => (typeof one === 'string' ? Buffer.from(one) : message('metrics:0', Buffer.from(one)))),
        )
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
        const chunks = bounds.slice(1).map((bound, i) => bytes.subarray(bounds[i], bound))
        const want = all.map((one) => (typeof one === 'string' ? `other ${one}` : asMessage(Buffer.from(one))))
        expect(scan(chunks)).toEqual(want)
      }),
      { numRuns: 500 },
    )
  })

  it('finds a payload of 8 MiB in chunks of 64 KiB', () => {
    const payload = Buffer.alloc(8 << 20, 'sentinel')
    const bytes = Buffer.concat([message('metrics', payload), message('metrics', 'next')])
    const sizes: number[] = []
    const scanner = new PushScanner(
      (taken) => sizes.push(taken.length),
      () => {},
    )
    for (let at = 0; at < bytes.length; at += 65_536) scanner.push(bytes.subarray(at, at + 65_536))
    expect(sizes).toEqual([payload.length, 4])
  })

  const head = '*3\r\n$7\r\nmessage\r\n'
  it.each([
    ['a payload of negative length', `${head}$7\r\nmetrics\r\n$-1000\r\n`],
    ['no payload', `${head}$7\r\nmetrics\r\n$-1\r\n`],
    ['a channel of negative length', `${head}$-20\r\nmetrics\r\n$4\r\n`],
    ['a payload of 10 GB', `${head}$7\r\nmetrics\r\n$10000000000\r\n`],
    ['a length that is not a number', `${head}$7\r\nmetrics\r\n$1x\r\n`],
    ['a length with its sign behind it', '$1-\r\n'],
    ['a line without an end', `+${'a'.repeat(65_536)}`],
    ['a length without an end', `$${'1'.repeat(65_536)}`],
    ['a message whose length has no end', `${head}$7\r\nmetrics\r\n$${'1'.repeat(65_536)}`],
    ['another reply of 10 GB', `$10000000000\r\n${'a'.repeat(65_536)}`],
  ])('refuses %s', (_name, text) => {
    const bytes = Buffer.from(text)
    expect(() => scan([bytes])).toThrow('Protocol error')
    const inHalves = [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)]
    expect(() => scan(inHalves)).toThrow('Protocol error')
  })
})
