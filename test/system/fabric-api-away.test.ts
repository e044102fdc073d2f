import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Get, goClient } from '../support/older-clients.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

/** More than the 2 KiB from which answers are packed. */
const ROWS = Array.from({ length: 100 }, (_, i) => `sw${i + 1},${i}.5,${2n ** 60n + BigInt(i)}`)
const CSV = `${['switch_id,latency_ms,packet_errors', ...ROWS].join('\n')}\n`

describe('an API whose Redis and InfluxDB are not there yet', () => {
  const get: Get = goClient()
  let redis: TestServer
  let influx: TestServer
  let program: Program
  let api: string
  const push = () =>
    fetch(`${api}/telemetry/counters`, { method: 'POST', body: CSV, headers: { 'content-type': 'text/csv' } })
  const askValue = (metric: string) => get(`${api}/telemetry/GetMetric?switch_id=SW8&metric=${metric}`)

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    await Promise.all([redis.halt(), influx.halt()])
    const [port, adminPort] = await Promise.all([freePort(), freePort()])
    api = `http://127.0.0.1:${port}`
    program = startProgram('api', {
      env: { REDIS_URL: redis.url, INFLUX_URL: influx.url },
      args: [`--api-port=${port}`, `--admin-port=${adminPort}`],
    })
    await until('it answers', () => get(`${api}/health`).then(({ body }) => body === 'OK', () => false), 60_000) // biome-ignore format: one line
  })
  afterAll(async () => {
    await program?.stop()
    await redis?.stop()
    await influx?.stop()
  })

  it('says 503 to whoever asks for a value or pushes one, and when to come again', async () => {
    const none = await askValue('latency_ms')
    expect(none).toMatchObject({ status: 503, body: 'no snapshot of a fabric has arrived yet\n' })
    expect(Number(none.headers['retry-after'])).toBeGreaterThan(0)
    const refused = await push()
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true])
    expect((await get(`${api}/telemetry/GetMetric?metric=latency_ms`)).body).toBe('Missing switch_id parameter\n')
  })

  it('takes rows once Redis is there, shows them, and says 503 for their history', async () => {
    await redis.start()
    await until('it takes a push', async () => (await push()).status === 202)
    await until('it shows it', async () => (await askValue('latency_ms')).body === '7.5')
    expect((await askValue('packet_errors')).body).toBe(String(2n ** 60n + 7n))
    const history = await get(`${api}/api/v1/switches/sw8/metrics?field=latency_ms`)
    expect([history.status, Number(history.headers['retry-after']) > 0]).toEqual([503, true])
  })

  it.each(['GetMetric?switch_id=sw8&metric=latency_ms', 'ListMetrics', 'top?metric=latency_ms&limit=100'])(
    'answers %s to HEAD, to a condition, and packed',
    async (path) => {
      const url = `${api}/telemetry/${path}`
      const whole = await get(url)
      const head = await fetch(url, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } })
      expect([head.status, await head.text(), Number(head.headers.get('content-length'))]).toEqual([
        ...[200, '', Buffer.byteLength(whole.body)],
      ])
      const tag = String(whole.headers.etag)
      expect(head.headers.get('etag')).toBe(tag)
      expect(await get(url, { 'If-None-Match': tag })).toMatchObject({ status: 304, body: '' })
      expect(whole.headers['content-encoding']).toBe(path.startsWith('GetMetric') ? undefined : 'gzip')
      expect((await get(url, { 'Accept-Encoding': 'identity' })).body).toBe(whole.body)
    },
  )

  it('shows the last values while Redis is gone, takes no push, and takes them again', async () => {
    await redis.halt('SIGKILL')
    await until('it says that', async () => (await push()).status === 503)
    expect((await askValue('latency_ms')).body).toBe('7.5')
    await redis.start()
    await until('it takes a push', async () => (await push()).status === 202)
    expect((await askValue('latency_ms')).body).toBe('7.5')
  })
})
