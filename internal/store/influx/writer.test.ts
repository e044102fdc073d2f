import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type RecordedInflux,
  recordedExchange,
  recordedWrites,
  startRecordedInflux,
} from '../../../test/support/recorded-influx.ts'
import { freePort } from '../../../test/support/servers.ts'
import { batchOfLines, sampleOfLine } from './lines.contract.ts'
import { InfluxTransport } from './transport.ts'
import { InfluxWriter, type InfluxWriterOptions } from './writer.ts'

const signal = new AbortController().signal
let influx: RecordedInflux
let writer: InfluxWriter

function writerTo(url: string, options: Partial<InfluxWriterOptions> = {}): InfluxWriter {
  const transport = new InfluxTransport({ url, token: () => 'secret' })
  return new InfluxWriter({ transport, org: 'sentinel', bucket: 'telemetry', ...options })
}

beforeEach(async () => {
  influx = await startRecordedInflux()
  writer = writerTo(influx.url)
})
afterEach(async () => {
  await writer.close()
  await influx.stop()
})

const good = (n: number): string => `m,host=a v=${n} ${1_795_400_000_000_000_000n + BigInt(n)}`
const conflict = (n: number): string => good(n).replace(/v=\d+/, 'v="text"')
const bad = (n: number): string => good(n).replace(/v=\d+/, 'v=bad')
const tooOld = (n: number): string => `m,host=a v=${n} ${900_000_000_000_000_000n + BigInt(n)}`

/** 5,000 good lines, some of them replaced. */
function fiveThousand(others: Readonly<Record<number, string>> = {}): string[] {
  return Array.from({ length: 5000 }, (_, n) => others[n] ?? good(n))
}

function refused(lines: readonly string[], index: number, detail: unknown): object {
  return { index, line: lines[index], refusal: { reason: 'store_refused', detail } }
}

/** Asserts that exactly these are rejected and all others are stored. */
async function expectRejected(lines: readonly string[], details: Readonly<Record<number, unknown>>): Promise<void> {
  const result = await writer.write(batchOfLines(lines), signal)
  const rejected = Object.entries(details).map(([index, detail]) => refused(lines, Number(index), detail))
  expect(result).toMatchObject({ next: 'ack', rejected })
  expect(influx.stored).toEqual(new Set(lines.filter((_, index) => !(index in details))))
}

const writes = (): number[] => influx.requests.filter(({ path }) => path !== '/ping').map(({ lines }) => lines)

describe('lines that InfluxDB 2.7 refuses', () => {
  it('stores 5,000 good lines with one request', async () => {
    await expectRejected(fiveThousand(), {})
    expect(influx.requests.map(({ path }) => path)).toEqual([
      '/ping',
      '/api/v2/write?org=sentinel&bucket=telemetry&precision=ns',
    ])
    expect(influx.requests.at(-1)?.headers.authorization).toBe('Token secret')
  })

  it('one unparsable line in 5,000: 4,999 are stored, one is rejected with the reason', async () => {
    await expectRejected(fiveThousand({ 1234: bad(1234) }), { 1234: 'invalid boolean' })
    expect(writes()).toEqual([5000, 4999])
  })

  const unparsable = recordedWrites.flatMap(({ case: name, body, answers }) => {
    const { status, body: answer = '' } = answers['influxdb-2.7.12']
    return status === 400 && !body.includes('\n') && !answer.includes('…<') ? [[name, body, answer] as const] : []
  })
  it.each(unparsable)('as recorded: %s', async (_name, body, answer) => {
    const reason = /': (.*)"\}$/s.exec(answer)?.[1]?.replaceAll('\\"', '"')
    expect(reason).toBeDefined()
    await expectRejected([good(1), body, good(3)], { 1: reason })
  })

  it('a type conflict: the other lines are stored already, and sending them again changes nothing', async () => {
    await expectRejected(fiveThousand({ 7: conflict(7), 4999: conflict(4999) }), {
      7: expect.stringContaining('field type conflict'),
      4999: expect.stringContaining('already exists as type float'),
    })
    expect(writes()).toEqual([5000, 2, 4998])
  })

  it('a good line that looks like the bad one is sent again, not rejected', async () => {
    const lines = [good(1), good(2), 'other v=1 1795400000000000000']
    influx.next({
      status: 422,
      body: partial('input field "v" on measurement "m" is type float, already exists as type string dropped=1'),
    })
    await expectRejected(lines, {})
    expect(writes()).toEqual([3, 2, 1])
  })

  it('beyond the retention: the oldest are rejected', async () => {
    const lines = fiveThousand({ 0: tooOld(0), 17: tooOld(17), 4000: tooOld(1) })
    const detail = expect.stringContaining('outside retention policy')
    await expectRejected(lines, { 0: detail, 17: detail, 4000: detail })
    expect(writes()).toEqual([5000, 3, 4997])
  })

  it('every line of the batch', async () => {
    const lines = Array.from({ length: 100 }, (_, n) => conflict(n))
    const detail = expect.stringContaining('conflict')
    await expectRejected(lines, Object.fromEntries(lines.map((_, n) => [n, detail])))
    expect(writes()).toEqual([100])
  })

  it('lines with different faults in the same batch', async () => {
    const lines = fiveThousand({ 3: bad(3), 5: conflict(5), 8: tooOld(8), 13: bad(13) })
    await expectRejected(lines, {
      3: 'invalid boolean',
      5: expect.stringContaining('conflict'),
      8: expect.stringContaining('retention'),
      13: 'invalid boolean',
    })
  })

  it('names the measurements of which it took nothing', async () => {
    const time = 1_795_400_000_000_000_000n
    const odd = [`my\\ cpu,host=a v="text" ${time}`, `my\\ cpu,host=b v="text" ${time}`, `mem,host=a v="text" ${time}`]
    const lines = [...odd, `mem,host=b v=1 ${time}`, `disk,host=a v=1 ${time}`]
    expect(await writer.write(batchOfLines(lines), signal)).toMatchObject({
      rejected: [{ index: 0 }, { index: 1 }, { index: 2 }],
      refusedMeasurements: ['my cpu'],
    })
  })

  it('equal bad lines: each is rejected', async () => {
    await expectRejected([good(1), bad(2), good(3), bad(2)], { 1: 'invalid boolean', 3: 'invalid boolean' })
  })

  it('a line with newlines, quotes and bytes beyond ASCII', async () => {
    const odd = `m,host=käse\\ 🚀 v=bad ,s="line1\nline2's: y" 1795400000000000000`
    influx.next({ status: 400, body: JSON.stringify({ code: 'invalid', message: `unable to parse '${odd}': no` }) })
    const result = await writer.write(batchOfLines([good(1), odd, good(2)]), signal)
    expect(result).toEqual({ next: 'ack', rejected: [refused([good(1), odd], 1, 'no')] })
  })
})

describe('a server that does not name its lines', () => {
  it('gets halves until only the bad lines are left', async () => {
    const lines = Array.from({ length: 64 }, (_, n) => good(n))
    const nameless = { status: 400, body: '{"message":"something is wrong"}' }
    // Only line 63 is bad: the whole batch, an empty body (accepted), then always the second half, until one line is left.
    influx.next(nameless, { status: 204 }, ...Array(6).fill(nameless))
    const result = await writer.write(batchOfLines(lines), signal)
    expect(result).toEqual({ next: 'ack', rejected: [refused(lines, 63, 'something is wrong')] })
    expect(writes()).toEqual([64, 0, 32, 16, 8, 4, 2, 1, 1, 2, 4, 8, 16, 32])
  })

  it('rejects no line when it refuses an empty body too: the request is at fault', async () => {
    const { response } = recordedExchange('write org missing')
    influx.next(response, response)
    expect(await writer.write(batchOfLines([good(1), good(2)]), signal)).toEqual({
      next: 'wait',
      problem: expect.stringMatching(/answers 400 Please provide either orgID or org: check INFLUX_URL, INFLUX_ORG/),
    })
  })

  it('is searched with at most 200 requests when it counts the dropped lines', async () => {
    const lines = Array.from({ length: 1000 }, (_, n) => good(n))
    const limit = { status: 400, body: '{"error":"partial write: max-values-per-tag limit exceeded dropped=1"}' }
    influx.next(...Array(1000).fill(limit))
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(writes().length).toBeLessThan(420)
    const unnamed = result.rejected.filter(({ index }) => index === -1)
    expect(unnamed.length).toBeGreaterThan(0)
    for (const { line } of unnamed) expect(line).toContain('m,host=a v=')
  })

  it('and the first rejected entry then lists every candidate', async () => {
    const lines = Array.from({ length: 1000 }, (_, n) => good(n))
    const limit = { status: 400, body: '{"error":"partial write: max-values-per-tag limit exceeded dropped=3"}' }
    influx.next(...Array(202).fill(limit))
    const result = await writer.write(batchOfLines(lines), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    const [first, ...others] = result.rejected.filter(({ index }) => index === -1)
    expect(first?.line.split('\n').length).toBeGreaterThan(3)
    expect(others.map(({ line }) => line)).toEqual(expect.arrayContaining(['', '']))
  })

  it('cannot have dropped more lines than it received', async () => {
    const limit = { status: 400, body: '{"error":"partial write: max-values-per-tag limit exceeded dropped=99999"}' }
    influx.next(...Array(1000).fill(limit))
    const result = await writer.write(batchOfLines(Array.from({ length: 1000 }, (_, n) => good(n))), signal)
    if (result.next !== 'ack') throw new Error(result.problem)
    expect(result.rejected.some(({ index }) => index === -1)).toBe(true)
    expect(result.rejected.length).toBeLessThanOrEqual(1000)
  })
})

describe('InfluxDB 3', () => {
  const answer = (data: unknown): { status: number; body: string } => ({
    status: 400,
    body: JSON.stringify({ error: 'partial write of line protocol occurred', data }),
  })

  it('names lines by number and text', async () => {
    const lines = [good(1), bad(2), good(3)]
    influx.next(answer([{ original_line: bad(2), line_number: 2, error_message: 'Could not parse entire line' }]))
    const result = await writer.write(batchOfLines(lines), signal)
    expect(result).toEqual({ next: 'ack', rejected: [refused(lines, 1, 'Could not parse entire line')] })
  })

  it('names a line by the beginning of its text, or only by its number', async () => {
    const lines = [good(1), bad(2), bad(3)]
    influx.next(
      answer([
        { original_line: 'm,host=a v=b', line_number: 2, error_message: 'one' },
        { line_number: 3, error_message: 'two' },
      ]),
    )
    const result = await writer.write(batchOfLines(lines), signal)
    expect(result).toEqual({ next: 'ack', rejected: [refused(lines, 1, 'one'), refused(lines, 2, 'two')] })
  })

  it('refuses an empty body, which shows that the request is right', async () => {
    influx.next({ status: 400, body: '{"error":"incoming write was empty"}' })
    expect(await writer.check(signal)).toBe('')
  })
})

describe('413', () => {
  const tooLarge = { status: 413, body: '{"error":"Request Entity Too Large"}' }

  it('sends halves, and makes later batches smaller', async () => {
    const lines = fiveThousand()
    influx.next(tooLarge, tooLarge)
    await expectRejected(lines, {})
    expect(writes()).toEqual([5000, 2500, 1250, 1250, 2500])
    const { maxBytes } = writer.limits
    expect(maxBytes).toBeLessThan(100_000)
    const batch = writer.openBatch()
    let taken = 0
    while (batch.add(sampleOfLine(good(taken))) === undefined) taken++
    expect(batch.bytes).toBeLessThanOrEqual(maxBytes)
  })

  it('rejects a single line that is too large, and later batches keep a minimum size', async () => {
    const lines = [good(1), good(2)]
    influx.next(tooLarge, tooLarge)
    const result = await writer.write(batchOfLines(lines), signal)
    expect(result).toEqual({ next: 'ack', rejected: [refused(lines, 1, 'too large: Request Entity Too Large')] })
    expect(writer.limits.maxBytes).toBe(16 * 1024)
  })
})

describe('an undecided write', () => {
  const recorded = (name: string): Parameters<RecordedInflux['next']>[0] => recordedExchange(name).response
  const cases: Array<[string, Parameters<RecordedInflux['next']>[0], object]> = [
    [
      'no token',
      recorded('write no auth'),
      { next: 'wait', problem: /answers 401 unauthorized access: check INFLUX_TOKEN or INFLUX_TOKEN_FILE$/ },
    ],
    ['a token that may only read', recorded('write with read token'), { next: 'wait', problem: /answers 403 insufficient permissions for write: make a new token that may write to bucket "telemetry", and give it as INFLUX_TOKEN or INFLUX_TOKEN_FILE$/ }], // biome-ignore format: a table
    ['no such bucket', recorded('write no bucket'), { next: 'wait', problem: /answers 404 bucket "nope" not found: create bucket "telemetry" in organisation "sentinel", or correct/ }], // biome-ignore format: a table
    ['no InfluxDB at this address', { status: 404, body: '404 page not found' }, { next: 'wait', problem: /answers 404 404 page not found: is it an InfluxDB, and is INFLUX_URL right\?$/ }], // biome-ignore format: a table
    ['no such organisation', recorded('write no org'), { next: 'wait', problem: /organization name "nope" not found/ }],
    ['an error of the server', recorded('write bad gzip'), { next: 'retry', problem: /answers 500 An internal error/ }],
    ['too many requests', { status: 429, headers: { 'retry-after': '3' } }, { next: 'retry', afterMs: 3000 }],
    ['a pause', { status: 503, headers: { 'retry-after': '9999' } }, { next: 'retry', afterMs: 600_000 }],
    ['a proxy without a server', { status: 502, body: '<html>' }, { next: 'retry', problem: /answers 502/ }],
    ['a broken connection', 'hang up', { next: 'retry', problem: /cannot be reached: .*is it running/ }],
    [
      'another server',
      { status: 200, body: '<html>' },
      { next: 'wait', problem: /answers 200 a body where InfluxDB has none/ },
    ],
  ]
  it.each(cases)('%s: the batch stays, and a later write succeeds', async (_name, answer, want) => {
    await writer.write(batchOfLines([good(1)]), signal)
    influx.next(answer)
    // A kept-alive connection may break because it was idle too long, so the writer tries a second one by itself.
    if (answer === 'hang up') influx.next(answer)
    const batch = batchOfLines([good(1), good(2)])
    const { problem, ...rest } = want as { problem?: RegExp }
    const result = await writer.write(batch, signal)
    expect(result).toMatchObject({ ...rest, problem: expect.stringContaining(influx.url) })
    if (problem !== undefined) expect(result).toMatchObject({ problem: expect.stringMatching(problem) })
    expect(JSON.stringify(result)).not.toContain('secret')
    expect(await writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
    expect(influx.stored.size).toBe(2)
  })

  it('no organisation in the settings', async () => {
    const nameless = writerTo(influx.url, { org: '' })
    const { response } = recordedExchange('write org missing')
    influx.next(response, response)
    expect(await nameless.write(batchOfLines([good(1)]), signal)).toEqual({
      next: 'wait',
      problem: expect.stringMatching(/answers 400 Please provide either orgID or org: set INFLUX_ORG$/),
    })
    await nameless.close()
  })

  it('a server that nobody has set up', async () => {
    influx.isSetUp = false
    const { response } = recordedExchange('write no auth')
    influx.next(response, response)
    const problem = expect.stringMatching(
      /answers 401 unauthorized access: it is not set up yet: open its URL in a browser/,
    )
    expect(await writer.check(signal)).toEqual(problem)
    expect(await writer.write(batchOfLines([good(1)]), signal)).toMatchObject({ next: 'wait', problem })
    influx.isSetUp = true
    expect(await writer.write(batchOfLines([good(1)]), signal)).toEqual({ next: 'ack', rejected: [] })
  })

  it('no server', async () => {
    const nobody = writerTo(`http://127.0.0.1:${await freePort()}`)
    expect(await nobody.check(signal)).toMatch(/cannot be reached: connect ECONNREFUSED .*is INFLUX_URL right\?$/)
    await nobody.close()
  })

  it('no answer in time', async () => {
    const transport = new InfluxTransport({ url: influx.url, answerTimeoutMs: 100 })
    const impatient = new InfluxWriter({ transport, org: 'o', bucket: 'b' })
    influx.next('silence')
    const result = await impatient.write(batchOfLines([good(1)]), signal)
    expect(result).toMatchObject({ next: 'retry', problem: expect.stringContaining('no answer within 100 ms') })
    await impatient.close()
  })

  it('a failure during a search: the whole search runs again', async () => {
    const lines = fiveThousand({ 9: bad(9) })
    const message = `unable to parse '${bad(9)}': invalid boolean`
    influx.next({ status: 400, body: JSON.stringify({ message }) }, { status: 503 })
    const batch = batchOfLines(lines)
    expect(await writer.write(batch, signal)).toMatchObject({ next: 'retry' })
    expect(await writer.write(batch, signal)).toEqual({
      next: 'ack',
      rejected: [refused(lines, 9, 'invalid boolean')],
    })
  })
})

describe('the write path', () => {
  it('comes from /ping once, and again after an answer that means a wrong address', async () => {
    await writer.check(signal)
    await writer.check(signal)
    influx.next({ status: 404 })
    await writer.check(signal)
    await writer.check(signal)
    const paths = influx.requests.map(({ path }) => path.slice(0, 8))
    expect(paths).toEqual(['/ping', '/api/v2/', '/api/v2/', '/api/v2/', '/ping', '/api/v2/'])
  })

  it('can be configured', async () => {
    for (const bucket of ['a b', 'db/rp']) {
      const v1 = writerTo(influx.url, { writePath: 'v1', bucket })
      expect(await v1.check(signal)).toBe('')
      await v1.close()
    }
    const paths = influx.requests.map(({ path }) => path)
    expect(paths).toEqual(['/write?db=a+b&precision=ns', '/write?db=db&rp=rp&precision=ns'])
  })

  it('can be compressed', async () => {
    const lean = writerTo(influx.url, { gzip: true })
    influx.next({ status: 204 })
    expect(await lean.write(batchOfLines([good(1)]), signal)).toEqual({ next: 'ack', rejected: [] })
    await lean.close()
    const { headers, body } = influx.requests.at(-1)!
    expect([headers['content-encoding'], gunzipSync(body).toString()]).toEqual(['gzip', `${good(1)}\n`])
  })
})

function partial(words: string): string {
  const message = `failure writing points to database: partial write: field type conflict: ${words}`
  return JSON.stringify({ code: 'unprocessable entity', message })
}

describe('reconfigure', () => {
  it('writes to the new server from then on, and asks for its version', async () => {
    const other = await startRecordedInflux()
    const lines = fiveThousand()
    const early = batchOfLines(lines)
    await writer.write(batchOfLines([good(9000)]), signal)
    const transport = new InfluxTransport({ url: other.url, token: () => 'other' })
    writer.reconfigure({ transport, org: 'acme', bucket: 'other', limits: { maxSamples: 3 } })
    expect(await writer.write(early, signal)).toEqual({ next: 'ack', rejected: [] })
    expect(other.stored).toEqual(new Set(lines))
    expect(other.requests.map(({ path }) => path)).toEqual([
      '/ping',
      '/api/v2/write?org=acme&bucket=other&precision=ns',
    ])
    expect(other.requests.at(-1)?.headers.authorization).toBe('Token other')
    const later = writer.openBatch()
    const answers = [1, 2, 3, 4].map((n) => later.add(sampleOfLine(good(n))))
    expect(answers).toEqual([undefined, undefined, undefined, 'full'])
    await other.stop()
  })

  it('writes again to the new server after a failure at the old one', async () => {
    const nobody = writerTo(`http://127.0.0.1:${await freePort()}`)
    const written = nobody.write(batchOfLines([good(1)]), signal)
    nobody.reconfigure({ transport: new InfluxTransport({ url: influx.url }), org: 'sentinel', bucket: 'telemetry' })
    expect(await written).toEqual({ next: 'ack', rejected: [] })
    expect(influx.stored).toEqual(new Set([good(1)]))
    await nobody.close()
  })
})
