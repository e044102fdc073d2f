import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import Fastify, { type InjectOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiScene } from '../../test/support/api-scene.ts'
import { KeyFileScene } from '../../test/support/keys.ts'
import { silent } from '../../test/support/live-feed.ts'
import { packedSeries, packSnappy } from '../../test/support/remote-write.ts'
import { frameCodec } from '../codec/frame.ts'
import { Refusals } from '../http/doorkeeper.ts'
import { Guard } from '../http/guard.ts'
import { Desk } from '../intake/desk.ts'
import { Intake } from '../intake/intake.ts'
import { SeriesTable } from '../sample/series.ts'

// Asks every endpoint of the OpenAPI document, with right and wrong input, and holds each answer against it.

const DOCS = new URL('../../docs/security.md', import.meta.url)
const [BEGIN, END] = [
  '<!-- attempts: written by WRITE_DOCS=1 npx vitest run internal/api/contract.test.ts -->\n',
  '<!-- /attempts -->\n',
]

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: {
    readonly type?: string
    readonly enum?: readonly string[]
    readonly minimum?: number
    readonly examples?: readonly string[]
  }
}
interface Operation {
  readonly requestBody?: { readonly content: object }
  readonly parameters?: readonly Parameter[]
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>
  readonly security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>>
}
interface Endpoint {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly operation: Operation
  /** A scope, or public. */
  readonly needs: string
  readonly isStream: boolean
}

/** What somebody may put into a parameter. */
const INJECTIONS = [
  `'; DROP TABLE telemetry; --`,
  `" OR "1"="1`,
  `web") |> yield() //`,
  '../../../etc/passwd',
  '<script>alert(1)</script>',
  'a\r\nx-injected: 1',
  '\u0000',
  '\ud83d\ude00'.repeat(200),
  '__proto__',
  '-1',
  '1e309',
]
const LIMIT = 100_000
const BOMB = gzipSync(Buffer.alloc(20e6))

let file: KeyFileScene
let scene: ApiScene
let endpoints: Endpoint[]
let components: object
let compile: (schema: object) => { (value: unknown): boolean; errors?: unknown }
let keys: Readonly<Record<'read' | 'write' | 'admin' | 'ended', string>>

beforeAll(async () => {
  file = await KeyFileScene.open()
  keys = {
    read: await file.add('reader', ['read']),
    write: await file.add('writer', ['write']),
    admin: await file.add('admin', ['admin']),
    ended: await file.add('ended', ['read', 'write', 'admin'], new Date(Date.now() - 1000)),
  }
  const guard = new Guard({
    ...{ keys: await file.ring(), refusals: new Refusals(), logger: silent, open: () => [], serviceScopes: ['write'] },
  })
  const limits = { maxBodyBytes: LIMIT, maxPackedBytes: LIMIT, maxReadingBytes: 1e7, requestsPerMinute: 1e9 }
  scene = await ApiScene.open({
    ...{ guard, limits: { requestsPerMinute: 1e9, requestsPerMinutePerKey: 1e9, requestTimeoutMs: 300 } },
    intake: { desk: deskOf(), limits: () => ({ ...limits, requestsPerMinutePerKey: 1e9 }) },
    takeCounters: async () => ({ rows: 1, badRows: 0, badCells: 0 }),
  })
  const document = (await scene.app.inject('/docs/json')).json<{
    paths: Record<string, Record<string, Operation>>
    components: object
  }>()
  components = document.components
  endpoints = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...{ method: method.toUpperCase() as 'GET', path, operation },
      needs: Object.values(operation.security?.[0] ?? {})[0]?.[0] ?? 'public',
      isStream: operation.responses[200]?.content?.['text/event-stream'] !== undefined,
    })),
  )
  const customOptions = { strict: false, coerceTypes: false, removeAdditional: false, useDefaults: false } as const
  const validator = Fastify({ ajv: { customOptions } })
  validator.get('/', async (request) => {
    const compiled = new Map<string, ReturnType<typeof compile>>()
    compile = (schema) => {
      const key = JSON.stringify(schema)
      const made = compiled.get(key) ?? (request.compileValidationSchema(schema) as ReturnType<typeof compile>)
      compiled.set(key, made)
      return made
    }
    return {}
  })
  await validator.inject('/')
}, 60_000)
afterAll(async () => {
  await scene.app.close()
  file.close()
})

/** A desk whose broker takes everything. */
function deskOf(): Desk {
  const publisher = { pendingBytes: 0, sendDurably: async () => 'broker' as const }
  return new Desk({
    intake: new Intake({ publisher, encoder: frameCodec.encoder(), maxHeldBytes: () => 1e8 }),
    ...{ table: new SeriesTable(), clock: { now: () => Date.now() * 1000 } },
    limits: () => ({ maxLines: 1000, maxLineBytes: 10_000 }),
  })
}

/** What the endpoints that take something take. */
const BODIES: Readonly<Record<string, string | Buffer>> = {
  '/telemetry/counters': 'switch_id,latency_ms\nsw1,1\n',
  '/telemetry': JSON.stringify({ metric: 'temperature', value: 75.5, uuid: 'GPU-1', gpu_id: '0', hostname: 'a' }),
  '/api/v1/ingest/csv':
    'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw\n' +
    '2026-01-01T00:00:00Z,DCGM_FI_DEV_GPU_UTIL,0,nvidia0,GPU-1,H100,a,,,,45,\n',
  '/api/v1/prom/write': packSnappy(
    packedSeries([{ labels: [['__name__', 'up']], samples: [[1, Date.now()]], histograms: 0, exemplars: 0 }], '1.0'),
  ),
}

/** Something that the schema of a parameter allows. */
function rightValue({ schema }: Parameter): string {
  return String(schema.examples?.[0] ?? schema.enum?.[0] ?? (schema.type === 'integer' ? (schema.minimum ?? 1) : 'a'))
}

function requestTo(
  endpoint: Endpoint,
  wrong: { parameter?: string; value?: string; query?: string } = {},
): InjectOptions {
  const { method, operation, isStream } = endpoint
  let path = endpoint.path
  const query = new URLSearchParams(wrong.query)
  const [type = 'text/plain'] = Object.keys(operation.requestBody?.content ?? {})
  const headers: Record<string, string> = method === 'POST' ? { 'content-type': type } : {}
  for (const parameter of operation.parameters ?? []) {
    const isWrong = parameter.name === wrong.parameter
    if (!isWrong && parameter.required !== true) continue
    const value = isWrong ? wrong.value! : rightValue(parameter)
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(value))
    else if (parameter.in === 'query') query.set(parameter.name, value)
    // Node.js itself refuses to send others.
    else headers[parameter.name] = value.replace(/[^\x20-\x7e]/g, '?')
  }
  const search = query.size === 0 ? '' : `?${query}`
  return {
    // A stream has no end: its head is asked for.
    method: isStream ? 'HEAD' : method,
    url: `${path}${search}`,
    headers,
    ...(method === 'POST' ? { payload: BODIES[path] ?? 'm v=1' } : {}),
  }
}

let clients = 0
/** Asks, and holds the answer against the document. @returns its status */
async function attempt(endpoint: Endpoint, request: InjectOptions, key?: string): Promise<number> {
  clients++
  const answer = await scene.app.inject({
    ...request,
    remoteAddress: `10.${clients >> 16}.${(clients >> 8) & 255}.${clients & 255}`,
    headers: { ...request.headers, ...(key === undefined ? {} : { 'x-api-key': key }) },
  })
  const words = `${request.method} ${request.url?.toString().slice(0, 200)} → ${answer.statusCode} ${answer.body.slice(0, 300)}`
  expect(answer.headers['x-injected'], words).toBeUndefined()
  expect(answer.statusCode, words).not.toBe(500)
  const documented = endpoint.operation.responses[answer.statusCode]
  expect(documented, `the document has it: ${words}`).toBeDefined()
  if (request.method === 'HEAD' || answer.body === '') return answer.statusCode
  const mediaType = String(answer.headers['content-type']).split(';')[0]!
  const content = documented?.content?.[mediaType]
  expect(content, `the document has ${mediaType}: ${words}`).toBeDefined()
  if (mediaType.endsWith('json')) {
    const validate = compile({ ...content!.schema, components })
    expect(validate(answer.json()) ? undefined : validate.errors, words).toBeUndefined()
  }
  return answer.statusCode
}

/** A column of the table: the statuses of an attempt at an endpoint. */
type Attempt = (endpoint: Endpoint) => Promise<readonly number[]>

const good = ({ needs }: Endpoint): string | undefined => (needs === 'public' ? undefined : keys[needs as 'read'])
const one =
  (make: (endpoint: Endpoint) => [request: InjectOptions, key?: string] | undefined): Attempt =>
  async (endpoint) => {
    const made = make(endpoint)
    return made === undefined ? [] : [await attempt(endpoint, ...made)]
  }

const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  right: one((endpoint) => [requestTo(endpoint), good(endpoint)]),
  'no key': one((endpoint) => [requestTo(endpoint)]),
  'wrong key': one((endpoint) => [requestTo(endpoint), `${keys.admin}x`]),
  'ended key': one((endpoint) => [requestTo(endpoint), keys.ended]),
  'other scope': one((endpoint) => [requestTo(endpoint), endpoint.needs === 'read' ? keys.write : keys.read]),
  'key in the URL': one((endpoint) => [requestTo(endpoint, { query: `p=${good(endpoint) ?? keys.read}` })]),
  injection: async (endpoint) => {
    const statuses: number[] = []
    for (const { name } of endpoint.operation.parameters ?? []) {
      for (const value of INJECTIONS)
        statuses.push(await attempt(endpoint, requestTo(endpoint, { parameter: name, value }), good(endpoint)))
    }
    return statuses
  },
  'long URL': one((endpoint) => [requestTo(endpoint, { query: `x=${'a'.repeat(9000)}` }), good(endpoint)]),
  'large body': one((endpoint) => [
    { ...requestTo(endpoint), payload: 'x', headers: { 'content-length': '1000000000', 'content-type': 'text/csv' } },
    good(endpoint),
  ]),
  'packed bomb': one((endpoint) => {
    if (endpoint.method !== 'POST') return undefined
    const headers = { 'content-encoding': 'gzip', 'content-type': 'text/csv' }
    return [{ ...requestTo(endpoint), payload: BOMB, headers }, good(endpoint)]
  }),
  'foreign Host': one((endpoint) => [{ ...requestTo(endpoint), headers: { host: 'evil.example' } }, good(endpoint)]),
}

describe('every endpoint of the OpenAPI document', () => {
  const rows = new Map<string, Map<string, readonly number[]>>()

  it.each(Object.entries(ATTEMPTS))('answers as it says: %s', async (what, tries) => {
    for (const endpoint of endpoints) {
      const row = rows.get(`${endpoint.method} ${endpoint.path}`) ?? new Map()
      rows.set(`${endpoint.method} ${endpoint.path}`, row.set(what, await tries(endpoint)))
    }
  })

  it('refuses who has no right to ask, wherever a key is needed', () => {
    for (const { method, path, needs } of endpoints) {
      const row = rows.get(`${method} ${path}`)!
      const statuses = ['no key', 'wrong key', 'ended key', 'other scope', 'key in the URL'].map(
        (what) => row.get(what)![0],
      )
      if (needs !== 'public') expect([path, statuses]).toEqual([path, [401, 401, 401, 403, 401]])
      for (const status of row.get('right')!)
        expect([path, status < 400 || [400, 404, 503].includes(status)]).toEqual([path, true])
      for (const status of row.get('injection')!) expect([path, status < 500 || status === 503]).toEqual([path, true])
    }
  })

  it('stands in docs/security.md with its answers', () => {
    const written = readFileSync(DOCS, 'utf8')
    const [before = '', rest = ''] = written.split(BEGIN)
    const after = rest.slice(rest.indexOf(END))
    const table = tableOf(rows)
    if (process.env.WRITE_DOCS === '1') writeFileSync(DOCS, `${before}${BEGIN}${table}${after}`)
    expect(readFileSync(DOCS, 'utf8')).toContain(`${BEGIN}${table}${END}`)
  })

  function tableOf(all: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>): string {
    const columns = Object.keys(ATTEMPTS)
    const lines = [
      `| endpoint | needs | ${columns.join(' | ')} |`,
      `|${'---|'.repeat(columns.length + 2)}`,
      ...endpoints.map(({ method, path, needs }) => {
        const row = all.get(`${method} ${path}`)!
        const cells = columns.map((what) => [...new Set(row.get(what))].sort().join(', ') || '–')
        return `| \`${method} ${path}\` | ${needs} | ${cells.join(' | ')} |`
      }),
    ]
    return `${lines.join('\n')}\n`
  }
})

it.each([
  ['stops within its first line', 'GET /api/v1/ho'],
  ['stops within its headers', 'GET /api/v1/hosts HTTP/1.1\r\nHost: localhost\r\nX-'],
])('closes the connection of a client that %s', async (_what, bytes) => {
  if (!scene.app.server.listening) await scene.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = scene.app.server.address() as { port: number }
  const answer = await new Promise<string>((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    socket.on('close', () => resolve(text)).on('error', reject)
  })
  expect(answer).toMatch(/^HTTP\/1\.1 408 /)
})
