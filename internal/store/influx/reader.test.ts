import { createServer, type Server } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { recordedExchange } from '../../../test/support/recorded-influx.ts'
import { freePort } from '../../../test/support/servers.ts'
import type { HistoryQuery } from '../store.ts'
import { InfluxReader, type InfluxReaderOptions } from './reader.ts'
import { InfluxTransport } from './transport.ts'

const signal = new AbortController().signal
const QUERY: HistoryQuery = {
  ...{ measurement: 'cpu', fields: ['usage'], tags: { host: 'a' }, aggregate: 'mean' },
  ...{ startUs: 0, endUs: 1_795_400_000_000_001, everyUs: 10_000_000 },
}

interface FakeAnswer {
  readonly status?: number
  readonly body: string
}

const servers: Server[] = []
const readers: InfluxReader[] = []
afterEach(async () => {
  for (const reader of readers.splice(0)) await reader.close()
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
})

function readerTo(url: string, options: Partial<InfluxReaderOptions> = {}): InfluxReader {
  const transport = new InfluxTransport({ url, token: () => 'secret' })
  const reader = new InfluxReader({ transport, bucket: 'telemetry', ...options })
  readers.push(reader)
  return reader
}

/** A reader on a server that gives these answers to queries in turn, and the forms that the server received. */
async function readerWith(
  answers: readonly FakeAnswer[],
  options: Partial<InfluxReaderOptions> = {},
  publicAnswer: FakeAnswer = { status: 404, body: '' },
): Promise<{ reader: InfluxReader; forms: URLSearchParams[] }> {
  const forms: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    if (request.method === 'GET') return void response.writeHead(publicAnswer.status ?? 404).end(publicAnswer.body)
    const { status = 200, body } = answers[forms.push(new URLSearchParams(text)) - 1]!
    response.writeHead(status).end(body)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return { reader: readerTo(`http://127.0.0.1:${port}`, options), forms }
}

function chunk(tags: Record<string, string>, values: unknown[][], partial = false): string {
  const series = [{ name: 'cpu', tags, columns: ['time', 'mean'], values, partial }]
  return `${JSON.stringify({ results: [{ statement_id: 0, series, partial }] })}\n`
}

describe('history', () => {
  it('binds every value of the caller as a parameter', async () => {
    const { reader, forms } = await readerWith([{ body: '{"results":[{"statement_id":0}]}\n' }])
    const odd = '"; DROP SERIES --'
    expect(await reader.history({ ...QUERY, measurement: odd, fields: [odd], tags: { [odd]: odd } }, signal)).toEqual(
      [],
    )
    const [form] = forms
    expect(form?.get('q')).toBe(
      'SELECT mean($field::float) AS value FROM $measurement WHERE time >= $start AND time < $end AND $key0::tag = $value0 GROUP BY time($every), * fill(none)',
    )
    expect(form?.get('params')).toBe(
      `{"field":{"identifier":${JSON.stringify(odd)}},"measurement":{"identifier":${JSON.stringify(odd)}},"start":{"integer":0},"end":{"integer":1795400000000001000},"every":{"duration":"10000000u"},"key0":{"identifier":${JSON.stringify(odd)}},"value0":${JSON.stringify(odd)}}`,
    )
    expect([form?.get('db'), form?.get('epoch'), form?.get('chunked')]).toEqual(['telemetry', 'u', 'true'])
  })

  it('joins a series from several chunks', async () => {
    const { reader } = await readerWith([
      {
        body: [
          chunk({ host: 'b', cpu: '' }, [[1, 1], [2, 2]], true), // biome-ignore format: pairs
          chunk({ host: 'b', cpu: '' }, [[3, 3]]),
          chunk({ host: 'a', cpu: '0' }, [[1, true], [2, null], [3, false]]), // biome-ignore format: pairs
          chunk({ host: 'c', cpu: '' }, [[1, 'text']]),
        ].join(''),
      },
    ])
    expect(await reader.history(QUERY, signal)).toEqual([
      { tags: { cpu: '0', host: 'a' }, field: 'usage', points: [[1, 1], [3, 0]] }, // biome-ignore format: pairs
      { tags: { host: 'b' }, field: 'usage', points: [[1, 1], [2, 2], [3, 3]] }, // biome-ignore format: pairs
    ])
  })

  it('refuses an answer with too many points, in one field or in all together', async () => {
    const body = chunk({}, [[1, 1], [2, 2]]) // biome-ignore format: pairs
    const fields = ['x', 'y']
    const answers = [{ body }, { body }]
    for (const [maxPoints, fits] of [
      [4, true],
      [3, false],
      [1, false],
    ] as const) {
      // biome-ignore format: pairs
      const { reader } = await readerWith(answers, { maxPoints })
      const asked = reader.history({ ...QUERY, fields }, signal)
      if (fits) expect(await asked).toHaveLength(2)
      else
        await expect(asked).rejects.toMatchObject({
          kind: 'too_much',
          message: /more than \d points: ask for a shorter range/,
        })
    }
  })

  it.each([
    // Recorded from 1.6.7. 2.x gives the same words in JSON.
    ['1.x', 'json: error calling MarshalJSON for type *query.Result: json: unsupported value: +Inf\n'],
    ['2.x', '{"error":"json: unsupported value: -Inf"}\n'],
  ])('asks again without infinite buckets, for that field alone (%s)', async (_version, infinite) => {
    const finite = chunk({ host: 'a' }, [[1, 1]])
    const { reader, forms } = await readerWith([{ body: infinite + finite }, { body: chunk({ host: 'a' }, [[2, 2]]) }])
    expect(await reader.history(QUERY, signal)).toEqual([{ tags: { host: 'a' }, field: 'usage', points: [[2, 2]] }])
    expect(forms[1]?.get('q')).toBe(`SELECT value FROM (${forms[0]?.get('q')}) WHERE value - value = 0 GROUP BY *`)
    expect(forms[1]?.get('params')).toBe(forms[0]?.get('params'))
  })

  it('gives no points for a mean of booleans', async () => {
    const error = 'unsupported mean iterator type: *query.booleanInterruptIterator'
    const { reader } = await readerWith([{ body: JSON.stringify({ results: [{ error }] }) }])
    expect(await reader.history(QUERY, signal)).toEqual([])
  })
})

describe('hosts', () => {
  const rows = (count: number, from = 0): string =>
    Array.from({ length: count }, (_, n) => chunk({ host: `h${from + n}` }, [[n, 1]])).join('')
  const measurements = (...names: string[]): FakeAnswer => ({
    body: JSON.stringify({ results: [{ series: [{ name: 'measurements', values: names.map((name) => [name]) }] }] }),
  })
  const paging = (forms: readonly URLSearchParams[]): unknown =>
    forms.slice(1).map((form) =>
      /SLIMIT (\d+) SOFFSET (\d+)/
        .exec(form.get('q') ?? '')
        ?.slice(1)
        .map(Number),
    )

  it('gives the newest sample of all measurements', async () => {
    const { reader, forms } = await readerWith([
      measurements('cpu', 'mem'),
      { body: chunk({ host: 'b' }, [[5, 1]]) + chunk({ host: 'a' }, [[7, 1]]) + chunk({ host: '' }, [[9, 1]]) },
      { body: chunk({ host: 'b' }, [[6, 1]]) + chunk({ host: 'a' }, [[2, 1]]) },
    ])
    expect(await reader.hosts(1, signal)).toEqual([
      { host: 'b', lastSeenAt: 6 },
      { host: 'a', lastSeenAt: 7 },
    ])
    expect(JSON.parse(forms[2]?.get('params') ?? '')).toEqual({
      measurement: { identifier: 'mem' },
      since: { integer: 1000 },
    })
  })

  it('asks for many hosts page by page', async () => {
    const { reader, forms } = await readerWith([
      measurements('cpu'),
      { body: rows(20_000) },
      { body: rows(20_000, 20_000) },
      { body: rows(7, 40_000) },
    ])
    expect(await reader.hosts(1, signal)).toHaveLength(40_007)
    expect(paging(forms)).toEqual([20_000, 20_000, 20_000].map((size, n) => [size, n * 20_000]))
  })

  it('asks for fewer hosts where their rows are longer than an answer may be', async () => {
    const long = 'x'.repeat(33 * 1024 * 1024)
    const { reader, forms } = await readerWith([
      measurements('wide'),
      { body: long },
      { body: rows(100) },
      { body: rows(1, 100) },
    ])
    expect(await reader.hosts(1, signal)).toHaveLength(101)
    expect(paging(forms)).toEqual([
      [20_000, 0],
      [100, 0],
      [100, 100],
    ])
  })

  it('are not none when 2.7 shows nothing of a bucket that is missing, or that the token may not read', async () => {
    const nothing = { body: '{"results":[{"statement_id":0}]}' }
    const missing = await readerWith([nothing, recordedExchange('query unknown db').response])
    await expect(missing.reader.hosts(0, signal)).rejects.toMatchObject({ kind: 'refused' })
    const empty = await readerWith([nothing, nothing])
    expect(await empty.reader.hosts(0, signal)).toEqual([])
  })
})

describe('errors', () => {
  const recorded = (name: string): FakeAnswer => recordedExchange(name).response
  const cases: Array<[string, FakeAnswer, 'away' | 'refused' | 'too_much', RegExp]> = [
    ['no token', recorded('query no auth'), 'refused', /answers 401 unauthorized access: check INFLUX_TOKEN/],
    ['an unknown bucket', recorded('query unknown db'), 'refused', /answers: database not found: nodb: create bucket "telemetry", correct INFLUX_BUCKET, or make a new token that may read bucket "telemetry", and give it as INFLUX_TOKEN or/], // biome-ignore format: one line per case
    ['a token without the right', { status: 403, body: '{"code":"forbidden","message":"token is inactive"}' }, 'refused', /answers 403 token is inactive: make a new token that may read bucket "telemetry"/], // biome-ignore format: one line per case
    ['no InfluxDB at this address', { status: 404, body: '404 page not found' }, 'refused', /answers 404 404 page not found: is it an InfluxDB, and is INFLUX_URL right\?$/], // biome-ignore format: one line per case
    ['a query that cannot be read', recorded('query missing param'), 'refused', /answers 400 failed to parse query/],
    ['a server in trouble', { status: 503, body: '{"error":"busy"}' }, 'away', /answers 503 busy/],
    [
      'too many queries',
      { body: '{"results":[{"error":"max-concurrent-queries limit exceeded(10)"}]}' },
      'away',
      /limit exceeded/,
    ],
    [
      'a query that took too long',
      { body: '{"results":[{"error":"query-timeout limit exceeded"}]}' },
      'away',
      /query-timeout/,
    ],
    // Recorded from 1.6.7.
    ['more buckets than the server allows', { body: '{"results":[{"error":"max-select-buckets limit exceeded: (3601/20)"}]}' }, 'too_much', /^max-select-buckets limit exceeded: \(3601\/20\): ask for a shorter range, or for larger buckets$/], // biome-ignore format: one line per case
    ['no JSON', { body: '<html>' }, 'away', /does not answer with JSON: <html>/],
    ['other JSON', { body: '{"error":"something"}' }, 'refused', /answers: something/],
  ]
  it.each(cases)('%s', async (_name, answer, kind, message) => {
    const { reader } = await readerWith([answer])
    await expect(reader.history(QUERY, signal)).rejects.toMatchObject({ kind, message })
  })

  it('no server', async () => {
    const reader = readerTo(`http://127.0.0.1:${await freePort()}`)
    await expect(reader.hosts(0, signal)).rejects.toMatchObject({ kind: 'away', message: /ECONNREFUSED/ })
  })

  it('a server that nobody has set up', async () => {
    const { reader } = await readerWith([recorded('query no auth')], {}, { status: 200, body: '{"allowed": true}' })
    await expect(reader.hosts(0, signal)).rejects.toMatchObject({ kind: 'refused', message: /it is not set up yet/ })
  })
})

describe('probe', () => {
  it('fails when 2.7 knows no such bucket, which SHOW does not tell', async () => {
    const { reader, forms } = await readerWith([recordedExchange('query unknown db').response])
    await expect(reader.probe(signal)).rejects.toMatchObject({ kind: 'refused', message: /database not found/ })
    expect(forms[0]?.get('q')).toMatch(/^SELECT /)
  })

  it('succeeds when the bucket has no such measurement', async () => {
    const { reader } = await readerWith([recordedExchange('query unknown measurement').response])
    await reader.probe(signal)
  })
})

it('reads the token again when 2.7 knows no such bucket, as it tells a token that may only write', async () => {
  const tokens: Array<string | undefined> = []
  const { response: refusal } = recordedExchange('query unknown db')
  const server = createServer((request, response) => {
    tokens.push(request.headers.authorization)
    response.end(request.headers.authorization === 'Token new' ? '{"results":[{"statement_id":0}]}' : refusal.body)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const file = ['old', 'new']
  const transport = new InfluxTransport({ url: `http://127.0.0.1:${port}`, token: () => file.shift() ?? 'new' })
  const reader = new InfluxReader({ transport, bucket: 'telemetry' })
  readers.push(reader)
  await expect(reader.probe(signal)).rejects.toMatchObject({
    kind: 'refused',
    message: /make a new token .* INFLUX_TOKEN or INFLUX_TOKEN_FILE$/,
  })
  await reader.probe(signal)
  await reader.probe(signal)
  expect(tokens).toEqual(['Token old', 'Token new', 'Token new'])
})

describe('the bucket', () => {
  const nothing = { body: '{"results":[{"statement_id":0}]}' }
  const asked = async (bucket: string, publicAnswer?: FakeAnswer): Promise<Array<string | null | undefined>> => {
    const { reader, forms } = await readerWith([nothing, nothing], { bucket }, publicAnswer)
    for (let i = 0; i < 2; i++) await reader.history(QUERY, signal)
    expect(forms[1]?.get('db')).toBe(forms[0]?.get('db'))
    return [forms[0]?.get('db'), forms[0]?.get('rp')]
  }

  it.each([
    ['a name', 'telemetry', 'telemetry', null],
    ['a database with its retention policy', 'db/rp', 'db', 'rp'],
    ['more than one slash', 'db/rp/x', 'db', 'rp/x'],
    ['a slash at an end', '/db', '/db', null],
    ['a name that looks like an id, on 1.x', 'deadbeefdeadbeef', 'deadbeefdeadbeef', null],
  ])('is %s', async (_name, bucket, db, rp) => {
    expect(await asked(bucket)).toEqual([db, rp])
  })

  it('is given by its id', async () => {
    const body = '{"id": "0c1d2e3f40516273", "name": "db/rp"}'
    expect(await asked('0c1d2e3f40516273', { status: 200, body })).toEqual(['db', 'rp'])
  })

  it('is found by its id as soon as it can be, and again when it has got another name', async () => {
    const away = { status: 503, body: '{"message":"starting"}' }
    const missing = { body: '{"results":[{"statement_id":0,"error":"database not found: old"}]}' }
    const lookUp = { ...away }
    const { reader, forms } = await readerWith(
      [away, nothing, missing, nothing],
      { bucket: '0c1d2e3f40516273' },
      lookUp,
    )
    await expect(reader.history(QUERY, signal)).rejects.toMatchObject({ kind: 'away' })
    Object.assign(lookUp, { status: 200, body: '{"name": "old"}' })
    await reader.history(QUERY, signal)
    Object.assign(lookUp, { status: 200, body: '{"name": "new"}' })
    await expect(reader.history(QUERY, signal)).rejects.toMatchObject({ kind: 'refused' })
    await reader.history(QUERY, signal)
    expect(forms.map((form) => form.get('db'))).toEqual(['0c1d2e3f40516273', 'old', 'old', 'new'])
  })
})

describe('how long a bucket keeps samples', () => {
  const bucket = (...everySeconds: number[]): string =>
    JSON.stringify({
      buckets: [
        {
          name: 'telemetry',
          retentionRules: everySeconds.map((seconds) => ({ type: 'expire', everySeconds: seconds })),
        },
      ],
    })
  const policies = (...rows: unknown[][]): string =>
    JSON.stringify({
      results: [
        { series: [{ columns: ['name', 'duration', 'shardGroupDuration', 'replicaN', 'default'], values: rows }] },
      ],
    })
  const cases: Array<[what: string, of2: FakeAnswer, of1: string, ms: number | undefined]> = [
    ['2.x: seven days', { status: 200, body: bucket(604_800) }, '', 604_800_000],
    ['2.x: for ever, by a rule', { status: 200, body: bucket(0) }, '', Infinity],
    ['2.x: for ever, without a rule', { status: 200, body: bucket() }, '', Infinity],
    ['2.x: a token that may not see it', { status: 200, body: '{"buckets":[]}' }, policies(), undefined],
    [
      '1.x: its default policy',
      { status: 404, body: '' },
      policies(['a', '1h0m0s', '1h0m0s', 1, false], ['b', '168h30m1s', '24h0m0s', 1, true]),
      606_601_000,
    ],
    ['1.x: for ever', { status: 404, body: '' }, policies(['autogen', '0s', '168h0m0s', 1, true]), Infinity],
    ['a server that answers with something else', { status: 200, body: '<html>' }, policies(['telemetry']), undefined],
  ]
  it.each(cases)('%s', async (_what, of2, of1, ms) => {
    const { reader } = await readerWith([{ body: of1 }], {}, of2)
    expect(await reader.retentionMs(signal)).toBe(ms)
  })

  it('cannot be asked while the server is away', async () => {
    const reader = readerTo(`http://127.0.0.1:${await freePort()}`)
    await expect(reader.retentionMs(signal)).rejects.toThrow('ECONNREFUSED')
  })
})
