import { expect, it } from 'vitest'
import { EventParser, type StreamEvent } from './event-parser.ts'

function parse(pieces: readonly string[], lastEventId?: string): { events: StreamEvent[]; parser: EventParser } {
  const events: StreamEvent[] = []
  const parser = new EventParser((event) => events.push(event), lastEventId)
  for (const piece of pieces) parser.push(piece)
  return { events, parser }
}

it.each<[string, string, StreamEvent[]]>([
  ['an event', 'event: samples\nid: 1-7\ndata: [1]\n\n', [{ type: 'samples', data: '[1]', lastEventId: '1-7' }]],
  ['an event without a name', 'data: x\n\n', [{ type: 'message', data: 'x', lastEventId: '' }]],
  ['lines of data', 'data: a\ndata\ndata:b\n\n', [{ type: 'message', data: 'a\n\nb', lastEventId: '' }]],
  ['one space alone is left out', 'data:  x \n\n', [{ type: 'message', data: ' x ', lastEventId: '' }]],
  ['a colon in the data', 'data: {"a":1}\n\n', [{ type: 'message', data: '{"a":1}', lastEventId: '' }]],
  ['comments and unknown fields', ': ping\nodd: 1\n\ndata: x\n\n', [{ type: 'message', data: 'x', lastEventId: '' }]],
  ['no data, no event', 'event: end\nid: 4\n\n', []],
  [
    'the id stays, the name does not',
    'id: 4\nevent: a\ndata: 1\n\ndata: 2\n\n',
    [
      { type: 'a', data: '1', lastEventId: '4' },
      { type: 'message', data: '2', lastEventId: '4' },
    ],
  ],
  ['an id with a NUL is none', 'id: 4\nid: 5\0\ndata: x\n\n', [{ type: 'message', data: 'x', lastEventId: '4' }]],
  ['a byte order mark', '\uFEFFdata: x\n\n', [{ type: 'message', data: 'x', lastEventId: '' }]],
  ['an event that is not over', 'data: x\n', []],
])('%s, with any line ends and cut anywhere', (_what, text, expected) => {
  for (const end of ['\n', '\r\n', '\r']) {
    const written = text.replaceAll('\n', end)
    // After a single CR at the very end, an LF might follow.
    const whole = end === '\r' ? `${written}:` : written
    expect(parse([whole]).events).toEqual(expected)
    expect(parse([...whole]).events).toEqual(expected)
    for (let cut = 1; cut < whole.length; cut++)
      expect(parse([whole.slice(0, cut), whole.slice(cut)]).events).toEqual(expected)
  }
})

it('knows the last id and the time to come back', () => {
  const { parser } = parse(['retry: 1500\nretry: soon\nid: 3-9\n\n'], '3-1')
  expect([parser.lastEventId, parser.retryMs]).toEqual(['3-9', 1500])
  expect(parse([': ping\n\n'], '3-1').parser.lastEventId).toBe('3-1')
})
