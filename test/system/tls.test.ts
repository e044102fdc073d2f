import { copyFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { askText } from '../../internal/http/ask.ts'
import { TestAuthority } from '../support/certificates.ts'
import { run, startProgram } from '../support/programs.ts'
import { freePort, startRedis, startSecureInflux, type TestServer, until } from '../support/servers.ts'

let authority: TestAuthority
let redis: TestServer
let influx: TestServer
let ca: string
/** What reaches both servers. */
let env: Record<string, string>

beforeAll(async () => {
  authority = await TestAuthority.make()
  ca = await authority.ca()
  const [ofRedis, ofInflux, client] = [
    await authority.issue('redis'),
    await authority.issue('influx'),
    await authority.issue('client'),
  ]
  const tlsPort = await freePort()
  redis = await startRedis({
    args: [
      ...['--tls-port', `${tlsPort}`, '--tls-auth-clients', 'yes', '--tls-ca-cert-file', authority.caFile],
      ...['--tls-cert-file', ofRedis.certFile, '--tls-key-file', ofRedis.keyFile],
    ],
  })
  influx = await startSecureInflux(ofInflux.certFile, ofInflux.keyFile, ca)
  env = {
    ...{ REDIS_URL: `rediss://127.0.0.1:${tlsPort}`, SENTINEL_REDIS_CA_FILE: authority.caFile },
    ...{ SENTINEL_REDIS_CERT_FILE: client.certFile, SENTINEL_REDIS_KEY_FILE: client.keyFile },
    ...{ INFLUX_URL: influx.url, SENTINEL_INFLUX_CA_FILE: authority.caFile },
  }
})
afterAll(async () => {
  await Promise.all([redis?.stop(), influx?.stop()])
  await authority?.remove()
})

const doctor = async (role: string, given: Record<string, string>, ...args: string[]): Promise<string> =>
  (await run('sentinel', { args: ['doctor', role, ...args], env: given })).stdout

it('the doctor says what is missing to reach servers over TLS', async () => {
  const without = (...names: string[]) =>
    Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)))
  const [clientOnly, ...client] = ['SENTINEL_REDIS_CA_FILE', 'SENTINEL_REDIS_CERT_FILE', 'SENTINEL_REDIS_KEY_FILE']
  const [bare, anonymous, trusting, whole] = await Promise.all([
    doctor('agent', without(clientOnly!)),
    doctor('agent', without(...client)),
    doctor('agent', { ...without(clientOnly!), NODE_EXTRA_CA_CERTS: authority.caFile }),
    doctor('server', env),
  ])
  expect(bare).toMatch(/^FAIL broker: .* certificate that is not trusted .* in redis\.caFile/m)
  expect(anonymous).toMatch(/^FAIL broker: .* asks for a certificate of the client: name one in redis\.certFile/m)
  expect(trusting).toMatch(/^ok {3}broker: pubsub over Redis answers/m)
  expect(whole).toMatch(/^ok {3}tls redis: .*; ends on /m)
  expect(whole).toMatch(/^ok {3}broker: pubsub over Redis answers/m)
  expect(whole).toMatch(/^ok {3}store: influx accepted a sample and returned it/m)
})

it('everything over TLS: samples arrive, the page streams over HTTP/2, certificates are renewed while it runs', async () => {
  const [certFile, keyFile] = [join(authority.folder, 'live.pem'), join(authority.folder, 'live.key')]
  const put = async (name: string): Promise<void> => {
    const next = await authority.issue(name, 10)
    await copyFile(next.certFile, certFile)
    await copyFile(next.keyFile, keyFile)
  }
  await put('first')
  const [port, adminPort] = [await freePort(), await freePort()]
  const own = {
    ...{ SENTINEL_API_TLS_CERT: certFile, SENTINEL_API_TLS_KEY: keyFile, SENTINEL_API_PORT: `${port}` },
    ...{ SENTINEL_ADMIN_TLS_CERT: certFile, SENTINEL_ADMIN_TLS_KEY: keyFile, SENTINEL_ADMIN_PORT: `${adminPort}` },
  }
  const up = startProgram('sentinel', { args: ['up'], env: { ...env, ...own } })
  onTestFinished(async () => void (await up.stop()))
  await until('it says where the page is', () => up.stdout().includes(`up: https://127.0.0.1:${port}`))
  const metric = async (name: string): Promise<number> => {
    const { body } = await askText(`https://127.0.0.1:${adminPort}/metrics`, { tls: { ca } })
    return Number(new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(body)?.[1])
  }
  await until('samples are stored', async () => (await metric('sentinel_written_samples_total')) > 0)
  expect(await metric('sentinel_tls_certificate_days{of="api"}')).toBeGreaterThan(9)

  const session = connect(`https://127.0.0.1:${port}`, { ca })
  onTestFinished(() => session.destroy())
  const live = session.request({ ':path': '/api/v1/live' }).setEncoding('utf8')
  let text = ''
  live.on('data', (part: string) => (text += part))
  await until('it streams', () => text.includes('"measurement":"cpu"'))

  const tail = await run('sentinel', {
    args: [
      'tail',
      '--once',
      '--api',
      `https://127.0.0.1:${port}`,
      '--measurement',
      'cpu',
      '--tls-ca',
      authority.caFile,
    ],
  })
  expect([tail.code, tail.stderr]).toEqual([0, ''])
  expect(JSON.parse(tail.stdout.split('\n')[0]!)).toMatchObject({ measurement: 'cpu' })
  const findings = await doctor('up', { ...env, ...own })
  expect(findings).toMatch(/^warn tls api: the certificate in .* renew it/m)
  expect(findings).toMatch(/^ok {3}up: on port \d+, ready$/m)
  const validated = await run('sentinel', { args: ['validate'], env: { ...env, ...own } })
  expect([validated.code, validated.stderr]).toEqual([0, expect.stringMatching(/^warning: tls api: .* renew it/m)])

  await put('second')
  await up.logged('new files of TLS for api are in use')
  await until('both are counted', async () => (await metric('sentinel_tls_reloads_total{of="admin"}')) === 1)
  expect(session.destroyed).toBe(false)
})
