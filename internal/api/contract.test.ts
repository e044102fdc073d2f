import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiScene } from '../../test/support/api-scene.ts'
import { KeyFileScene } from '../../test/support/keys.ts'
import { silent } from '../../test/support/live-feed.ts'
import { type Endpoint, OpenApiDocument } from '../../test/support/open-api.ts'
import { expectRightAnswers, requestTo, rightQueries } from '../../test/support/right-inputs.ts'
import { openStoredScene, STORED_NOW_US } from '../../test/support/stored-scene.ts'
import { frameCodec } from '../codec/frame.ts'
import { Refusals } from '../http/doorkeeper.ts'
import { Guard } from '../http/guard.ts'
import { Desk } from '../intake/desk.ts'
import { Intake } from '../intake/intake.ts'
import { SeriesTable } from '../sample/series.ts'
import { type DuckDbStore, openDuckDb } from '../store/duckdb/open.ts'

// Asks every endpoint of the OpenAPI document, with right and wrong input, and holds each answer against it. Behind it is a DuckDB with samples.

const DOCS = new URL('../../docs/security.md', import.meta.url)
const [BEGIN, END] = [
  '<!-- attempts: written by WRITE_DOCS=1 npx vitest run internal/api/contract.test.ts -->\n',
  '<!-- /attempts -->\n',
]

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
let document: OpenApiDocument
let folder: string
let store: DuckDbStore
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
  folder = await mkdtemp(join(tmpdir(), 'contract-'))
  const clock = { now: () => STORED_NOW_US }
  store = await openDuckDb({ path: join(folder, 'c.duckdb'), retentionMs: 86_400_000, clock, logger: silent })
  scene = await openStoredScene(store, {
    ...{ guard, limits: { requestsPerMinute: 1e9, requestsPerMinutePerKey: 1e9, requestTimeoutMs: 300 } },
    intake: { desk: deskOf(), limits: () => ({ ...limits, requestsPerMinutePerKey: 1e9 }) },
    takeCounters: async () => ({ rows: 1, badRows: 0, badCells: 0 }),
  })
  document = await OpenApiDocument.of(scene.app)
}, 60_000)
afterAll(async () => {
  await scene.app.close()
  file.close()
  await store.close()
  await rm(folder, { recursive: true })
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

let clients = 0
/** Asks, and holds the answer against the document. @returns its status */
async function attempt(endpoint: Endpoint, request: InjectOptions, key?: string): Promise<number> {
  const { statusCode } = await ask(endpoint, request, key)
  return statusCode
}

async function ask(endpoint: Endpoint, request: InjectOptions, key?: string): Promise<LightMyRequestResponse> {
  clients++
  const answer = await scene.app.inject({
    ...request,
    remoteAddress: `10.${clients >> 16}.${(clients >> 8) & 255}.${clients & 255}`,
    headers: { ...request.headers, ...(key === undefined ? {} : { 'x-api-key': key }) },
  })
  const words = `${request.method} ${request.url?.toString().slice(0, 200)} → ${answer.statusCode} ${answer.body.slice(0, 300)}`
  expect(answer.headers['x-injected'], words).toBeUndefined()
  expect(answer.statusCode, words).not.toBe(500)
  document.hold(endpoint, String(request.method), answer, words)
  return answer
}

/** A column of the table: the statuses of an attempt at an endpoint. */
type Attempt = (endpoint: Endpoint) => Promise<readonly number[]>

const good = ({ needs }: Endpoint): string | undefined => (needs === 'public' ? undefined : keys[needs as 'read'])
const withQuery = (endpoint: Endpoint, query: string): InjectOptions =>
  requestTo(endpoint, `${rightQueries(endpoint.path)[0]}&${query}`)
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
  'key in the URL': one((endpoint) => [withQuery(endpoint, `p=${good(endpoint) ?? keys.read}`)]),
  injection: async (endpoint) => {
    const statuses: number[] = []
    for (const { name } of endpoint.operation.parameters ?? []) {
      for (const value of INJECTIONS)
        statuses.push(
          await attempt(endpoint, requestTo(endpoint, undefined, { parameter: name, value }), good(endpoint)),
        )
    }
    return statuses
  },
  'long URL': one((endpoint) => [withQuery(endpoint, `x=${'a'.repeat(9000)}`), good(endpoint)]),
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
    for (const endpoint of document.endpoints) {
      const row = rows.get(`${endpoint.method} ${endpoint.path}`) ?? new Map()
      rows.set(`${endpoint.method} ${endpoint.path}`, row.set(what, await tries(endpoint)))
    }
  })

  it('answers right questions with all that their schemas describe', async () => {
    await expectRightAnswers(document.endpoints, (endpoint, request) =>
      ask(endpoint, request, good(endpoint) ?? keys.read),
    )
  })

  it('refuses who has no right to ask, wherever a key is needed', () => {
    for (const { method, path, needs } of document.endpoints) {
      const row = rows.get(`${method} ${path}`)!
      const statuses = ['no key', 'wrong key', 'ended key', 'other scope', 'key in the URL'].map(
        (what) => row.get(what)![0],
      )
      if (needs !== 'public') expect([path, statuses]).toEqual([path, [401, 401, 401, 403, 401]])
      for (const status of row.get('right')!) expect([path, status < 300]).toEqual([path, true])
      for (const status of row.get('injection')!) expect([path, status < 500]).toEqual([path, true])
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
      ...document.endpoints.map(({ method, path, needs }) => {
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
