import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Address, type AddressOptions } from './address.ts'
import { AnswerBody } from './answer-body.ts'
import { TargetError } from './target-error.ts'

/** A CA, and certificates of it for `metrics.example`: of a server, and of a client. */
const TLS = join(import.meta.dirname, 'testdata/tls')
const SERVER = { caFile: join(TLS, 'ca.pem'), serverName: 'metrics.example' }

const closers: Array<() => void> = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'credentials-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function fileOf(text: string, name = 'secret'): Promise<string> {
  await writeFile(join(folder, name), text)
  return join(folder, name)
}

interface Served {
  readonly port: number
  readonly asked: Array<string | undefined>
}

/** A server that answers `a 1`, or as it is told. */
async function serve(isSecure: boolean, answer?: RequestListener): Promise<Served> {
  const asked: Array<string | undefined> = []
  const listener: RequestListener = (request, response) => {
    asked.push(request.headers.authorization)
    if (answer === undefined) response.end('a 1\n')
    else answer(request, response)
  }
  const server = isSecure
    ? createSecureServer(
        {
          ...{ cert: await readFile(join(TLS, 'server.pem')), key: await readFile(join(TLS, 'server.key')) },
          ...{ ca: await readFile(join(TLS, 'ca.pem')), requestCert: true, rejectUnauthorized: false },
        },
        listener,
      )
    : createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

function reader(url: string, options: Partial<AddressOptions>): () => Promise<string> {
  const address = new Address({ url, gzip: false, ...options })
  closers.push(() => address.close())
  const body = new AnswerBody(1000)
  return async () => {
    try {
      await address.read(body, new AbortController().signal)
      address.taken()
      return body.bytes.toString()
    } catch (error) {
      if (error instanceof TargetError) return `${error.problem}: ${error.message}`
      throw error
    }
  }
}

describe('an address with credentials', () => {
  it('is asked with the token that its file has now', async () => {
    const { port, asked } = await serve(false)
    const bearerFile = await fileOf('first\n')
    const read = reader(`http://127.0.0.1:${port}/`, { credentials: { bearerFile } })
    expect(await read()).toBe('a 1\n')
    await fileOf('second\n')
    expect(await read()).toBe('a 1\n')
    expect(asked).toEqual(['Bearer first', 'Bearer second'])
  })

  it('is asked with user and password', async () => {
    const { port, asked } = await serve(false)
    const passwordFile = await fileOf('s:3cret')
    await reader(`http://127.0.0.1:${port}/`, { credentials: { username: 'ada', passwordFile } })()
    await reader(`http://127.0.0.1:${port}/`, { credentials: { username: 'ada' } })()
    expect(asked).toEqual(['ada:s:3cret', 'ada:'].map((text) => `Basic ${Buffer.from(text).toString('base64')}`))
  })

  it('is not asked where a file cannot be read, or is empty', async () => {
    const { port, asked } = await serve(false)
    const url = `http://127.0.0.1:${port}/`
    expect(await reader(url, { credentials: { bearerFile: '/none' } })()).toMatch(
      /^credentials: \/none cannot be read: ENOENT/,
    )
    const empty = await fileOf(' \n', 'empty')
    expect(await reader(url, { credentials: { username: 'a', passwordFile: empty } })()).toBe(
      `credentials: ${empty} is empty`,
    )
    expect(asked).toEqual([])
  })

  it('says nothing of a secret that the server repeats', async () => {
    const { port } = await serve(
      false,
      (request, response) => void response.writeHead(401).end(`bad ${request.headers.authorization}`),
    )
    const bearerFile = await fileOf('t0ken')
    expect(await reader(`http://127.0.0.1:${port}/`, { credentials: { bearerFile } })()).toBe(
      'status: it answered 401: bad Bearer ***',
    )
  })

  it('is asked for all of it each time where it is asked without conditions', async () => {
    const conditions: unknown[] = []
    const { port } = await serve(false, ({ headers }, response) => {
      conditions.push([headers['if-none-match'], headers.accept, headers['x-more']])
      response.setHeader('etag', '"1"').end('a 1\n')
    })
    const read = reader(`http://127.0.0.1:${port}/`, {
      isConditional: false,
      accept: 'text/plain',
      headers: { 'x-more': '5' },
    })
    expect([await read(), await read()]).toEqual(['a 1\n', 'a 1\n'])
    expect(conditions).toEqual(Array.from({ length: 2 }, () => [undefined, 'text/plain', '5']))
  })
})

describe('an address over TLS', () => {
  it('is believed by the CA of the settings, under the name that they give', async () => {
    const { port } = await serve(true)
    const url = `https://127.0.0.1:${port}/`
    const { serverName, caFile } = SERVER
    expect(await reader(url, { credentials: { caFile }, serverName })()).toBe('a 1\n')
    expect(await reader(url, { serverName })()).toMatch(/^unreachable: it cannot be asked: /)
    expect(await reader(url, { credentials: { caFile } })()).toMatch(/^unreachable: it cannot be asked: Hostname\/IP/)
  })

  it('is shown a certificate, from the moment on at which its files are there', async () => {
    const names: unknown[] = []
    const { port } = await serve(true, (request, response) => {
      const { authorized } = request.socket as unknown as { authorized: boolean }
      names.push(authorized)
      response.writeHead(authorized ? 200 : 403).end('a 1\n')
    })
    const client = { certFile: join(folder, 'client.pem'), keyFile: join(folder, 'client.key') }
    const url = `https://127.0.0.1:${port}/`
    const { serverName, caFile } = SERVER
    expect(await reader(url, { credentials: { caFile }, serverName })()).toBe('status: it answered 403: a 1')
    const read = reader(url, { credentials: { caFile, ...client }, serverName })
    expect(await read()).toMatch(/^credentials: .*client\.(pem|key) cannot be read/)
    for (const name of ['client.pem', 'client.key'])
      await writeFile(join(folder, name), await readFile(join(TLS, name)))
    expect(await read()).toBe('a 1\n')
    expect(names).toEqual([false, true])
  })
})
