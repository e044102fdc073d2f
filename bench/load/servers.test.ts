import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { TestAuthority } from '../../test/support/certificates.ts'
import type { Counts } from './counts.ts'
import { between, ledgerBetween, type ServerFigures, Servers } from './servers.ts'

const NONE: Counts = { count: 0, sum: 0, max: 0, buckets: [] }
const LEDGER: LedgerCounts = {
  ...{ messages: 10, received: 100, own: 1, ownDropped: 1, takenOver: 0, written: 90, rejected: 2, dropped: 3 },
  ...{ held: 5, spooled: 6, lost: 7, duplicates: 8, trimmed: 9 },
}

function counts(...values: number[]): Counts {
  return {
    count: values.length,
    sum: values.reduce((sum, value) => sum + value, 0),
    max: Math.max(...values),
    buckets: values.map((value) => [value, 1]),
  }
}

function figures(given: Partial<ServerFigures>): ServerFigures {
  return {
    cpuUs: 0,
    rssBytes: 0,
    ledger: LEDGER,
    latency: { internal: NONE, e2e: NONE, durable: NONE },
    gc: NONE,
    ...given,
  }
}

const open: Server[] = []
afterEach(() => {
  for (const server of open.splice(0)) server.close()
})

async function serverThat(answers: Readonly<Record<string, unknown>>): Promise<string> {
  const server = createServer((request, response) => {
    const given = answers[request.url!]
    const answer = typeof given === 'function' ? given() : given
    response.statusCode = answer === undefined ? 404 : 200
    response.end(JSON.stringify(answer ?? {}))
  })
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const never = new AbortController().signal

test('the ledgers of all servers are summed', async () => {
  const urls = [await serverThat({ '/debug/ledger': LEDGER }), await serverThat({ '/debug/ledger': LEDGER })]
  expect(await new Servers(urls).ledger()).toEqual({
    ...{ messages: 20, received: 200, own: 2, ownDropped: 2, takenOver: 0, written: 180, rejected: 4, dropped: 6 },
    ...{ held: 10, spooled: 12, lost: 14, duplicates: 16, trimmed: 18 },
  })
})

test('allocations and the samples of that time are summed, and unknown if one server does not answer', async () => {
  const path = '/debug/allocations?seconds=2'
  const said = { seconds: 2, heapBytes: 10, externalBytes: 20, collections: 3, pauseUs: 400 }
  // Between two readings of its ledger it received 40 samples, one of them its own.
  let received = 100
  const ledger = () => {
    received += 40
    return { ...LEDGER, received, own: received / 40 }
  }
  const answers = { [path]: said, '/debug/ledger': ledger }
  const urls = [await serverThat(answers), await serverThat({ ...answers, '/debug/ledger': LEDGER })]
  expect(await new Servers(urls).allocations(2, never)).toEqual({
    ...{ seconds: 2, samples: 39, heapBytes: 20, externalBytes: 40, collections: 6, pauseUs: 800 },
  })
  expect(await new Servers([urls[0]!, await serverThat({})]).allocations(2, never)).toBeUndefined()
})

test('a server that is not there is named, with what to do', async () => {
  const url = await serverThat({})
  await expect(new Servers([url]).figures()).rejects.toThrow(
    `${url}/debug/figures answers 404: is this the admin listener`,
  )
  open.pop()!.close()
  await expect(new Servers([url]).ledger()).rejects.toThrow(
    new RegExp(`no server at ${url} \\(.*ECONNREFUSED.*see --server`),
  )
})

test('servers get the token, over TLS of an authority of its own, and one that wants another says what to do', async () => {
  const authority = await TestAuthority.make()
  onTestFinished(() => authority.remove())
  const { certFile, keyFile } = await authority.issue('server')
  const server = createSecureServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile) },
    (request, response) => {
      response.statusCode = request.headers['x-service-token'] === 'good' ? 200 : 401
      response.end(JSON.stringify(LEDGER))
    },
  )
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const tls = { ca: await authority.ca() }
  const ask = (token: string, access = {}) => new Servers([url], { headers: { 'x-service-token': token }, ...access })
  expect(await ask('good', { tls }).ledger()).toEqual(LEDGER)
  await expect(ask('bad', { tls }).ledger()).rejects.toThrow(`${url}/debug/ledger answers 401: set SERVICE_TOKEN_FILE`)
  await expect(ask('good').ledger()).rejects.toThrow(/no server at .* \(.*certificate.*--server-ca-file/)
})

test('counts of two readings are subtracted, and `held` is that of the later one', () => {
  const later = { ...LEDGER, messages: 15, received: 180, held: 1, spooled: 0 }
  expect(ledgerBetween(later, LEDGER)).toEqual({
    ...{ messages: 5, received: 80, own: 0, ownDropped: 0, takenOver: 0, written: 0, rejected: 0, dropped: 0 },
    ...{ held: 1, spooled: 0, lost: 0, duplicates: 0, trimmed: 0 },
  })
})

test('the metrics of several servers are combined', () => {
  const latency = (e2e: Counts): ServerFigures['latency'] => ({ internal: NONE, e2e, durable: NONE })
  const before = [figures({ cpuUs: 100, latency: latency(counts(5)) }), figures({ cpuUs: 10 })]
  const after = [
    figures({ cpuUs: 300, latency: latency(counts(5, 7)) }),
    figures({ cpuUs: 15, latency: latency(counts(6)), gc: counts(900) }),
  ]
  const result = between(after, before)
  expect(result.cpuUs).toBe(205)
  expect(result.latency.e2e.buckets).toEqual([
    [6, 1],
    [7, 1],
  ])
  expect(result.gc.count).toBe(1)
  expect(result.ledger).toMatchObject({ received: 0, held: 10, spooled: 12 })
})
