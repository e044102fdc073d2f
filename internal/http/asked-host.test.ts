import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { HostCheck, type HostRules } from './asked-host.ts'

/** The status of a refusal, for a request with this `Host`; 200 when it may be answered. */
function statusOf(host: string | undefined, request: Partial<IncomingMessage> = {}, rules: Partial<HostRules> = {}) {
  const check = new HostCheck({ hosts: () => ['dash.example.com', 'my_api'], setting: '--api-hosts', ...rules })
  const headers = host === undefined ? request.headers : { host, ...request.headers }
  const rawHeaders = host === undefined ? [] : ['Host', host]
  const asked = { httpVersion: '1.1', url: '/api/v1/hosts', rawHeaders, ...request, headers } as IncomingMessage
  return check.refusal(asked, () => asked.url)?.status ?? 200
}

describe('a host', () => {
  test.each([
    ...['localhost', 'localhost:8080', 'localhost.', 'localhost.:8080', 'LOCALHOST', 'a.localhost', 'localhost:'],
    ...['127.0.0.1', '127.0.0.1:6060', '127.9.9.9', '127.0.0.1.', '10.0.0.5:8080', '0.0.0.0:8080', '203.0.113.9'],
    ...['[::1]', '[::1]:8080', '[fe80::1%25eth0]:8080', '[fe80::1%eth0]', '[::ffff:127.0.0.1]', '[2001:DB8::1]:80'],
    ...['dash.example.com', 'dash.example.com:443', 'Dash.Example.COM', 'dash.example.com.', 'my_api:8080'],
  ])('%s is known', (host) => {
    expect(statusOf(host)).toBe(200)
  })

  test.each([
    ...['evil.example', 'evil.example:8080', 'localhost.evil.example', 'notlocalhost', '127.0.0.1.evil.example'],
    ...['evil.dash.example.com', 'example.com', 'api', 'localhost..', '.localhost:x', '', ' ', ':8080', '[]', '[::1'],
    ...['[evil.example]', '[::1]evil', 'localhost:80:90', 'localhost@evil.example', 'evil.example/localhost'],
    // Browsers write an address in one form only.
    ...['2130706433', '0x7f.1', '127.1', '::1', '127.0.0.1, evil.example'],
  ])('%j is unknown', (host) => {
    expect(statusOf(host)).toBe(421)
  })

  test('is known where the process listens', () => {
    expect(statusOf('Inside.example:8080', {}, { listensOn: 'inside.Example' })).toBe(200)
  })

  test('is known from the moment that a reload lists it, and unknown when it is taken out', () => {
    let hosts: readonly string[] = []
    const check = new HostCheck({ hosts: () => hosts, setting: '--api-hosts' })
    const asked = { httpVersion: '1.1', url: '/', rawHeaders: ['host', 'a'], headers: { host: 'a' } }
    const status = () => check.refusal(asked as unknown as IncomingMessage, () => '/')?.status
    const statuses = [status()]
    hosts = ['a']
    statuses.push(status(), status())
    hosts = []
    statuses.push(status())
    expect(statuses).toEqual([421, undefined, undefined, 421])
  })

  test.each(['/health', '/ready', '/metrics'])('may be any for %s', (url) => {
    expect(statusOf('api:8080', { url })).toBe(200)
    expect(statusOf(undefined, { url, httpVersion: '1.0', headers: {} })).toBe(200)
    expect(statusOf(undefined, { url, headers: {} })).toBe(400)
  })

  test('has to be there, once', () => {
    expect(statusOf(undefined, { headers: {} })).toBe(400)
    expect(statusOf(undefined, { headers: {}, httpVersion: '1.0' })).toBe(400)
    expect(statusOf('localhost', { rawHeaders: ['Host', 'localhost', 'hOST', 'evil.example'] })).toBe(400)
    expect(statusOf('api', { url: '/metrics', rawHeaders: ['Host', 'api', 'host', 'api'] })).toBe(400)
  })

  test('counts in the target of the request too', () => {
    expect(statusOf('localhost', { url: 'http://evil.example/api/v1/hosts' })).toBe(421)
    expect(statusOf('evil.example', { url: 'http://localhost/api/v1/hosts' })).toBe(421)
    expect(statusOf('localhost:80', { url: 'http://127.0.0.1/api/v1/hosts' })).toBe(200)
  })

  test('comes from X-Forwarded-Host only behind a trusted proxy', () => {
    const forwarded = (name: string) => ({ headers: { 'x-forwarded-host': name } })
    expect(statusOf('evil.example', forwarded('localhost'))).toBe(421)
    expect(statusOf('localhost', forwarded('evil.example'))).toBe(200)
    const behind = { trustProxy: true }
    expect(statusOf('api:8080', forwarded('dash.example.com'), behind)).toBe(200)
    expect(statusOf('api:8080', forwarded('evil.example'), behind)).toBe(421)
    expect(statusOf('api:8080', forwarded('evil.example, dash.example.com'), behind)).toBe(421)
    expect(statusOf('dash.example.com', {}, behind)).toBe(200)
    expect(statusOf('dash.example.com', forwarded(''), behind)).toBe(200)
    expect(statusOf('evil.example', forwarded(' '), behind)).toBe(421)
  })

  test('is each of the names that X-Forwarded-Host has, as Apache adds its own to that of the client', () => {
    const status = (names: string) =>
      statusOf('api:8080', { headers: { 'x-forwarded-host': names } }, { trustProxy: true })
    expect(status('localhost, evil.example')).toBe(421)
    expect(status('evil.example, localhost')).toBe(421)
    expect(status('dash.example.com,')).toBe(421)
    expect(status('dash.example.com, my_api:80')).toBe(200)
  })
})
