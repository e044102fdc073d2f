import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bulkOf, idIn } from './entry.ts'
import { EntryScanner } from './entry-scanner.ts'

const KEYS = ['queue:{telemetry:0}', 'queue:{telemetry:1}', 'queue:{telemetry:10}']

const bulk = (payload: Buffer | string): Buffer => {
  const bytes = Buffer.from(payload)
  return Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}
const array = (...items: readonly Buffer[]): Buffer => Buffer.concat([Buffer.from(`*${items.length}\r\n`), ...items])

type Entry = readonly [id: string, ...fields: ReadonlyArray<string | Buffer>]
type Stream = readonly [partition: number, ...entries: readonly Entry[]]

const reply = (...streams: readonly Stream[]): Buffer =>
  array(
    ...streams.map(([partition, ...entries]) =>
      array(
        bulkOf(KEYS[partition]!),
        array(...entries.map(([id, ...fields]) => array(bulk(id), array(...fields.map(bulk))))),
      ),
    ),
  )

/** What the scanner finds, in order. Neighbouring pieces of other replies are put together. */
function scan(chunks: readonly Buffer[]): string[] {
  const found: string[] = []
  const scanner = new EntryScanner(
    KEYS,
    {
      begins: () => found.push('entries'),
      entry: (partition, bytes, idAt, idEnd, payload) => {
        expect(bytes.subarray(idAt, idEnd)).toEqual(bulkOf(idIn(bytes, idAt, idEnd)))
        found.push(`entry ${partition} ${idIn(bytes, idAt, idEnd)} ${payload.toString('hex')}`)
      },
      ended: () => {},
    },
    (piece) => {
      if (found.at(-1)?.startsWith('other ')) found[found.length - 1] += piece.toString('latin1')
      else found.push(`other ${piece.toString('latin1')}`)
    },
  )
  const buffer = Buffer.alloc(Math.max(0, ...chunks.map(({ length }) => length)))
  for (const chunk of chunks) {
    chunk.copy(buffer)
    scanner.push(buffer.subarray(0, chunk.length))
    buffer.fill('*')
  }
  return found
}

const found = (partition: number, id: string, payload: Buffer | string): string =>
  `entry ${partition} ${id} ${Buffer.from(payload).toString('hex')}`

describe('EntryScanner', () => {
  const two = reply(
    [0, ['1764462000000-0', 'd', 'first'], ['1764462000000-1', 'd', '']],
    [2, ['18446744073709551615-18446744073709551615', 'd', 'last']],
  )
  const three = [
    'entries',
    found(0, '1764462000000-0', 'first'),
    found(0, '1764462000000-1', ''),
    found(2, '18446744073709551615-18446744073709551615', 'last'),
  ]

  it('finds the entries of all streams, wherever the answer is cut, and tells the client how many the fullest gave', () => {
    for (let cut = 0; cut <= two.length; cut++) {
      expect(scan([two.subarray(0, cut), two.subarray(cut)])).toEqual([...three, 'other :2\r\n'])
    }
    expect(scan(Array.from(two, (byte) => Buffer.from([byte])))).toEqual([...three, 'other :2\r\n'])
  })

  it.each<[string, string]>([
    ['no answer, because nothing came', '*-1\r\n'],
    ['an error', '-NOGROUP No such key\r\n'],
    ['a pong', '+PONG\r\n'],
    ['a number', ':-1\r\n'],
    ['an empty array', '*0\r\n'],
    ['no bulk string', '$-1\r\n'],
    ['an empty bulk string', '$0\r\n\r\n'],
    ['pending entries', '*1\r\n*4\r\n$3\r\n1-0\r\n$1\r\na\r\n:1\r\n:2\r\n'],
    ['claimed entries', '*3\r\n:1\r\n:0\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nd\r\n$1\r\nx\r\n'],
    ['entries of a stream of others', '*1\r\n*2\r\n$19\r\nqueue:{telemetry:9}\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*0\r\n'],
    ['arrays in an array', '*2\r\n*1\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n'],
  ])('passes on %s, wherever it is cut', (_name, text) => {
    const bytes = Buffer.concat([two, Buffer.from(text), two])
    for (let cut = 0; cut <= bytes.length; cut++) {
      const want = [...three, `other :2\r\n${text}`, ...three, 'other :2\r\n']
      expect(scan([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(want)
    }
  })

  it('reads the field d of any entry, and an entry without it as an empty payload', () => {
    const bytes = reply([
      1,
      ['1-0', 'x', 'd', 'd', 'this'],
      ['1-1', 'd', 'this', 'd', 'not this'],
      ['1-2', 'x', '1'],
      ['1-3'],
    ])
    const want = [
      'entries',
      found(1, '1-0', 'this'),
      found(1, '1-1', 'this'),
      found(1, '1-2', ''),
      found(1, '1-3', ''),
      'other :4\r\n',
    ]
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(scan([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(want)
    }
  })

  it('finds payloads of any bytes and length in any chunks, in order', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: 500, maxLength: 530 }),
      fc.constant(two),
    )
    const stream = fc.tuple(fc.nat(2), fc.array(payload, { minLength: 1, maxLength: 10 }))
    fc.assert(
      fc.property(fc.array(stream, { minLength: 1, maxLength: 5 }), fc.array(fc.nat(6000)), (streams, cuts) => {
        const bytes = reply(
          ...streams.map(
            ([partition, payloads]): Stream => [
              partition,
              ...payloads.map((one, i): Entry => [`17644620000-${i}`, 'd', Buffer.from(one)]),
            ],
          ),
        )
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
        const want = streams.flatMap(([partition, payloads]) =>
          payloads.map((one, i) => found(partition, `17644620000-${i}`, Buffer.from(one))),
        )
        const most = Math.max(...streams.map(([, payloads]) => payloads.length))
        expect(scan(bounds.slice(1).map((bound, i) => bytes.subarray(bounds[i], bound)))).toEqual([
          'entries',
          ...want,
          `other :${most}\r\n`,
        ])
      }),
      { numRuns: 100 },
    )
  })

  it('finds payloads of 8 MiB in chunks of 64 KiB, also behind other fields', () => {
    const large = Buffer.alloc(8 << 20, 'sentinel')
    const bytes = reply([0, ['1-0', 'd', large], ['1-1', 'x', large, 'd', large], ['1-2', 'd', 'next']])
    const sizes: number[] = []
    const scanner = new EntryScanner(
      KEYS,
      {
        begins: () => {},
        entry: (_partition, _bytes, _idAt, _idEnd, payload) => sizes.push(payload.length),
        ended: () => {},
      },
      () => {},
    )
    for (let at = 0; at < bytes.length; at += 65_536) scanner.push(bytes.subarray(at, at + 65_536))
    expect(sizes).toEqual([large.length, large.length, 4])
  })

  it('says how far apart in time the oldest and the newest entry of a read are, over all its streams', () => {
    const spans: number[] = []
    const on = { begins: () => {}, entry: () => {}, ended: (spanMs: number) => spans.push(spanMs) }
    const scanner = new EntryScanner(KEYS, on, () => {})
    const at = (ms: number): [string, string, string] => [`${ms}-0`, 'd', 'x']
    scanner.push(reply([1, at(1764462000005), at(1764462000009)], [2, at(1764462000001), at(1764462000004)]))
    scanner.push(reply([0, at(1764462000020)]))
    expect(spans).toEqual([8, 0])
  })

  const head = '*1\r\n*2\r\n$19\r\nqueue:{telemetry:0}\r\n'
  it.each([
    ['a stream that was not asked for', '*2\r\n*2\r\n$19\r\nqueue:{telemetry:0}\r\n*0\r\n*2\r\n$1\r\nx\r\n*0\r\n'],
    ['an entry that is none', `${head}*1\r\n$3\r\n1-0\r\n$1\r\nx\r\n`],
    ['an id of 42 bytes', `${head}*1\r\n*2\r\n$42\r\n${'1'.repeat(42)}\r\n*0\r\n`],
    ['a payload of negative length', `${head}*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nd\r\n$-5\r\n`],
    ['a payload of 10 GB', `${head}*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nd\r\n$10000000000\r\n`],
    ['a line without an end', `+${'a'.repeat(65_536)}`],
  ])('refuses %s', (_name, text) => {
    expect(() => scan([Buffer.from(text)])).toThrow('Protocol error')
  })
})
