import { describe, expect, it } from 'vitest'
import { type RecordedServer, recordedExchanges, recordedWrites } from '../../../test/support/recorded-influx.ts'
import { type InfluxAnswer, TransportError, UnreadableAnswerError } from './exchange.ts'
import { type Outcome, outcomeOf, outcomeOfFailure } from './outcome.ts'

function answerOf(status: number, body = '', headers: InfluxAnswer['headers'] = {}): InfluxAnswer {
  return { status, headers, body, cut: false }
}

function v2(status: number, message: string): InfluxAnswer {
  return answerOf(status, JSON.stringify({ code: 'some code', message }))
}

const NOW = Date.parse('2026-11-23T12:00:00Z')

describe('every recorded answer to a write', () => {
  const servers: RecordedServer[] = ['influxdb-2.7.12', 'influxdb-1.6.7', 'victoria-metrics-1.79.5']
  const cases = servers.flatMap((server) =>
    recordedWrites.map(({ case: name, answers }) => [name, server, answers[server]] as const),
  )

  it.each(cases)('%s, %s', (_name, _server, recorded) => {
    const { status, body = '', 'x-influxdb-error': error } = recorded
    const outcome = outcomeOf(answerOf(status, body, error === undefined ? {} : { 'x-influxdb-error': error }))
    if (status === 204) return expect(outcome).toEqual({ action: 'accept' })
    if (outcome.action !== 'reject') throw new Error(`${status} ${body} gives ${outcome.action}`)
    // Each answer quotes its bad lines or counts the dropped ones. One line of 70,000 bytes is shortened in the record.
    const quoted = body.includes('…<') ? 0 : body.split("unable to parse '").length - 1
    const dropped = /dropped=([1-9]\d*)/.exec(body)?.[1]
    expect(outcome.named).toHaveLength(quoted)
    expect(outcome.dropped).toBe(dropped === undefined ? undefined : Number(dropped))
    expect(outcome.conflict !== undefined).toBe(body.includes('field type conflict'))
  })
})

describe('every other recorded answer of InfluxDB 2.7.12 to a write', () => {
  const actions: Readonly<Record<string, Outcome['action']>> = {
    'write bad precision': 'reject',
    'write no bucket': 'wait',
    'write bucket missing': 'wait',
    'write no org': 'wait',
    'write org missing': 'reject',
    'write no auth': 'wait',
    'write wrong token': 'wait',
    'write bad gzip': 'retry',
    'write GET': 'wait',
    'v1 write unknown db': 'wait',
    'v1 write u/p': 'accept',
    'beyond retention among good': 'reject',
    'write with read token': 'wait',
    '60 MB body': 'accept',
  }
  const writes = recordedExchanges.filter(({ request }) => /\/write\?/.test(request.path))
  it.each(writes.map((exchange) => [exchange.case, exchange.response] as const))('%s', (name, response) => {
    expect(outcomeOf(answerOf(response.status, response.body, response.headers)).action).toBe(actions[name])
  })
})

describe('outcomeOf', () => {
  const cases: Array<[string, InfluxAnswer, Partial<Outcome>]> = [
    ['204', answerOf(204), { action: 'accept' }],
    ['200 of 1.x to a body without a point', answerOf(200), { action: 'accept' }],
    ['200 of something that is no InfluxDB', answerOf(200, '<html>hello</html>'), { action: 'wait' }],
    ['201 that tells of rejected lines', v2(201, 'partial write: 2 rejected'), { action: 'reject' }],
    [
      '301',
      answerOf(301, '', { location: 'https://elsewhere' }),
      { action: 'wait', message: 'a redirect to https://elsewhere' },
    ],
    ['400 that says nothing', answerOf(400), { action: 'wait', message: '', divideAfter: 1 }],
    ['400 of a proxy', answerOf(400, '<html>Bad Request</html>'), { action: 'wait', divideAfter: 1 }],
    ['400 whose body is not text', answerOf(400, '\u001f\ufffd\b'), { action: 'wait', divideAfter: 1 }],
    [
      '400 whose body ends early',
      answerOf(400, '{"code":"invalid","message":"unable to parse \'m v=bad 1\': invalid boolean\\nunab'),
      { action: 'reject', named: [{ text: 'm v=bad 1', number: 0, reason: 'invalid boolean\nunab' }] },
    ],
    ['401', v2(401, 'unauthorized access'), { action: 'wait', message: 'unauthorized access' }],
    ['401 of 1.x', answerOf(401, '{"error":"unable to parse authentication credentials"}'), { action: 'wait' }],
    ['402', answerOf(402), { action: 'wait' }],
    ['403', v2(403, 'insufficient permissions for write'), { action: 'wait' }],
    ['404 of 1.x', answerOf(404, '{"error":"database not found: \\"x\\""}'), { action: 'wait' }],
    ['405', answerOf(405), { action: 'wait' }],
    ['408', answerOf(408), { action: 'retry' }],
    ['413 of 1.x', answerOf(413, '{"error":"Request Entity Too Large"}'), { action: 'split' }],
    ['413 of nginx', answerOf(413, '<html>413 Request Entity Too Large</html>'), { action: 'split' }],
    ['418', answerOf(418), { action: 'wait' }],
    ['425', answerOf(425), { action: 'retry' }],
    ['429', answerOf(429), { action: 'retry', afterMs: undefined }],
    ['500', v2(500, 'An internal error has occurred'), { action: 'retry' }],
    ['500 of early 2.x, a type conflict', v2(500, 'unexpected error writing points to database: partial write: field type conflict: input field "v" on measurement "m" is type integer, already exists as type float dropped=3'), { action: 'reject', dropped: 3, conflict: { measurement: 'm', field: 'v', type: 'integer' } }], // biome-ignore format: one line per case
    [
      '500 of 1.x, its cache full',
      answerOf(500, '{"error":"engine: cache-max-memory-size exceeded: (1/1)"}'),
      { action: 'retry' },
    ],
    [
      '500 of 1.x without the retention policy',
      answerOf(500, '{"error":"retention policy not found: short"}'),
      { action: 'wait' },
    ],
    ['500 of a cluster, one node away', answerOf(500, '{"error":"partial write"}'), { action: 'retry' }],
    ['502', answerOf(502, '<html>bad gateway</html>'), { action: 'retry' }],
    ['503', v2(503, 'unavailable'), { action: 'retry' }],
    ['504', answerOf(504), { action: 'retry' }],
    [
      'beyond retention, 1.x',
      answerOf(400, '{"error":"partial write: points beyond retention policy dropped=2"}'),
      { action: 'reject', dropped: 2, beyondRetention: true },
    ],
    [
      'beyond retention, 2.x',
      v2(
        422,
        'partial write: dropped 1 points outside retention policy of duration 1h0m0s - oldest … dropped=1 for database: 50',
      ),
      { action: 'reject', dropped: 1, beyondRetention: true },
    ],
    ['tag values over the limit, 1.x', answerOf(400, '{"error":"partial write: max-values-per-tag limit exceeded (100000/100000): measurement=\\"m\\" tag=\\"t\\" value=\\"x\\" dropped=7"}'), { action: 'reject', dropped: 7 }], // biome-ignore format: one line per case
    ['InfluxDB 3, the good lines stored', answerOf(400, '{"error":"partial write of line protocol occurred","data":[{"original_line":"bad","line_number":2,"error_message":"Expected at least one space"}]}'), { action: 'reject', dropped: undefined, named: [{ text: 'bad', number: 2, reason: 'Expected at least one space' }] }], // biome-ignore format: one line per case
    ['InfluxDB 3, all or nothing', answerOf(400, '{"error":"parsing failed for write_lp endpoint","data":{"original_line":"bad","line_number":2,"error_message":"no"}}'), { action: 'reject', named: [{ text: 'bad', number: 2, reason: 'no' }] }], // biome-ignore format: one line per case
    [
      'a message in the header only',
      answerOf(503, '', { 'x-influxdb-error': 'busy' }),
      { action: 'retry', message: 'busy' },
    ],
  ]
  it.each(cases)('%s', (_name, answer, want) => expect(outcomeOf(answer, NOW)).toMatchObject(want))

  const waits: Array<[string, string, number | undefined]> = [
    ['seconds', '7', 7000],
    ['a fraction', '0.5', 500],
    ['a date', 'Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['a date in the past', 'Mon, 23 Nov 2026 11:00:00 GMT', 0],
    ['more than ten minutes', '86400', 600_000],
    ['a date next year', 'Tue, 23 Nov 2027 12:00:00 GMT', 600_000],
    ['a negative number', '-5', 0],
    ['nonsense', 'soon', undefined],
  ]
  it.each(waits)('Retry-After: %s', (_name, value, want) => {
    for (const status of [429, 503]) {
      expect(outcomeOf(answerOf(status, '', { 'retry-after': value }), NOW)).toMatchObject({ afterMs: want })
    }
  })

  it('reads a Retry-After date by the clock of the server that wrote it', () => {
    const headers = { 'retry-after': 'Mon, 23 Nov 2026 08:00:05 GMT', date: 'Mon, 23 Nov 2026 08:00:00 GMT' }
    expect(outcomeOf(answerOf(503, '', headers), NOW)).toMatchObject({ afterMs: 5000 })
  })

  it('reads quoted lines that contain quotes, colons and the text around a quote', () => {
    const lines = ['m v="it\'s\': odd" 1', 'm v="a\nb" 2', "m,t=unable\\ to\\ parse\\ 'x v=bad 3"]
    const message = lines.map((line) => `unable to parse '${line}': invalid boolean`).join('\n')
    const outcome = outcomeOf(v2(400, message))
    expect(outcome).toMatchObject({ named: lines.map((text) => ({ text, number: 0, reason: 'invalid boolean' })) })
  })

  it('reads the complete part of an answer that was cut off anywhere', () => {
    const whole = JSON.stringify({
      code: 'invalid',
      message: "unable to parse 'first \\\"é': bad\nunable to parse 'second\u0001': bad",
    })
    for (let length = whole.indexOf(': bad'); length < whole.length; length++) {
      const outcome = outcomeOf({ ...answerOf(400, whole.slice(0, length + 5)), cut: true })
      if (outcome.action !== 'reject') throw new Error(outcome.action)
      expect(outcome.named[0]?.text).toBe('first \\"é')
    }
  })
})

describe('outcomeOfFailure', () => {
  const cases: Array<[string, Outcome['action']]> = [
    ['ECONNREFUSED', 'retry'],
    ['ECONNRESET', 'retry'],
    ['ENOTFOUND', 'retry'],
    ['TIMEOUT', 'retry'],
    ['ABORTED', 'retry'],
    ['NO_TOKEN', 'wait'],
  ]
  it.each(cases)('%s', (code, action) => {
    const outcome = outcomeOfFailure(new TransportError(code, 'said so'))
    expect(outcome).toMatchObject({ action, message: 'said so' })
    expect(outcome.divideAfter).toBeUndefined()
  })

  it.each([
    ['HPE_INVALID_HEADER_TOKEN', 1],
    ['HPE_HEADER_OVERFLOW', 1],
    ['HPE_INVALID_CHUNK_SIZE', 1],
    ['ECONNRESET', 3],
  ])('an answer that cannot be read, %s: the batch is divided after %i', (code, divideAfter) => {
    const outcome = outcomeOfFailure(new UnreadableAnswerError(code, 'why'))
    const message = 'an answer that cannot be read: why'
    expect(outcome).toMatchObject({ action: 'retry', status: 0, message, divideAfter })
  })
})
