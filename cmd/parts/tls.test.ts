import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type IssuedFiles, TestAuthority } from '../../test/support/certificates.ts'
import { HttpBroker } from '../../internal/broker/http/broker.ts'
import { loadSettings } from '../../internal/config/load.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import type { Context } from '../program/context.ts'
import { quietContext } from '../program/quiet-context.ts'
import { ROLES } from '../program/roles.ts'
import { influxServer } from './influx.ts'
import { openClientTls, openListenerTls, redisOf } from './tls.ts'

let authority: TestAuthority
let server: Server
let port: number
/** Who asked, by the name in the certificate that was shown. */
const shown: string[] = []
const live = (): IssuedFiles => ({
  certFile: join(authority.folder, 'live.pem'),
  keyFile: join(authority.folder, 'live.key'),
})

async function put(name: string): Promise<void> {
  const { certFile, keyFile } = await authority.issue(name)
  await copyFile(certFile, live().certFile)
  await copyFile(keyFile, live().keyFile)
}

beforeAll(async () => {
  authority = await TestAuthority.make()
  await put('first')
  const { certFile, keyFile } = await authority.issue('server')
  const { readMaterial } = await import('../../internal/tls/material.ts')
  const { cert, key, ca } = await readMaterial({ certFile, keyFile, caFile: authority.caFile })
  server = createServer({ cert, key, ca, requestCert: true }, ({ socket }, response) => {
    shown.push((socket as TLSSocket).getPeerCertificate().subject?.CN as string)
    // Each request on a connection of its own.
    response.writeHead(200, { connection: 'close' }).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  server.close()
  await authority.remove()
})

async function contextOf(role: keyof typeof ROLES, env: Record<string, string>): Promise<Context> {
  const context = quietContext(loadSettings(ROLES[role], {}, env))
  onTestFinished(() => context.releaser.release(1000))
  return context
}

const filesIn = (prefix: string): Record<string, string> => ({
  [`${prefix}CA_FILE`]: authority.caFile,
  [`${prefix}CERT_FILE`]: live().certFile,
  [`${prefix}KEY_FILE`]: live().keyFile,
})

describe('a client over TLS', () => {
  it('of InfluxDB trusts the authority of the settings, and shows a certificate', async () => {
    const context = await contextOf('server', {
      INFLUX_URL: `https://127.0.0.1:${port}`,
      ...filesIn('SENTINEL_INFLUX_'),
    })
    const { settings, redactor } = context
    const send = async (tls: Awaited<ReturnType<typeof openClientTls>>): Promise<number> => {
      const transport = new InfluxTransport(influxServer(settings.influx, redactor, tls))
      onTestFinished(() => transport.close())
      return (await transport.send({ method: 'GET', path: '/ping' }, new AbortController().signal)).status
    }
    expect(await send(await openClientTls(context, 'influx'))).toBe(200)
    expect(shown.splice(0)).toEqual(['first'])
    await expect(send(undefined)).rejects.toThrow()
  })

  it('of a gateway does so too, and shows the next one once its files have changed', async () => {
    const url = { SENTINEL_BROKER_USE_HTTP: 'true', SENTINEL_BROKER_HTTP_URL: `https://127.0.0.1:${port}` }
    const context = await contextOf('agent', { ...url, ...filesIn('SENTINEL_BROKER_HTTP_') })
    const broker = new HttpBroker({
      url: context.settings.broker.httpUrl,
      topic: 't',
      tls: await openClientTls(context, 'gateway'),
    })
    onTestFinished(() => broker.close())
    await broker.publish('a', Buffer.from('x'))
    await put('second')
    for (let n = 0; n < 2; n++) await context.tls[0]![1].look()
    await broker.publish('a', Buffer.from('x'))
    expect(shown.splice(0)).toEqual(['first', 'second'])
  })

  it('of Redis gets all of it with the URL, in an object that is renewed in place', async () => {
    const context = await contextOf('agent', {
      ...{ REDIS_URL: 'rediss://redis.example', SENTINEL_REDIS_SERVER_NAME: 'other.example' },
      ...filesIn('SENTINEL_REDIS_'),
    })
    const { tls } = await redisOf(context)
    const before = { ...tls }
    expect(before).toMatchObject({ servername: 'other.example', ca: await authority.ca() })
    await put('third')
    for (let n = 0; n < 2; n++) await context.tls[0]![1].look()
    expect(tls!.cert).not.toBe(before.cert)
    expect(await redisOf(context)).toMatchObject({ tls: { cert: tls!.cert } })
    expect(context.tls).toHaveLength(1)
    expect((await redisOf(await contextOf('agent', { REDIS_URL: 'redis://h' }))).tls).toBeUndefined()
  })
})

it('files that cannot be used end a program at its start, as wrong settings do', async () => {
  const context = await contextOf('api', { SENTINEL_API_TLS_CERT: '/none.pem', SENTINEL_API_TLS_KEY: '/none.key' })
  await expect(openListenerTls(context, 'api')).rejects.toMatchObject({
    name: 'ConfigError',
    problems: [expect.stringMatching(/^TLS for api: \/none\.pem cannot be read: ENOENT/)],
  })
})
