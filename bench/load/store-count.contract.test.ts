import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { freePort, startInflux, startVictoriaMetrics, type TestServer } from '../../test/support/servers.ts'
import { countUntilStill } from './count.ts'
import { storeCount } from './store-count.ts'

const never = new AbortController().signal
/** An hour ago: VictoriaMetrics keeps a month, and takes nothing from far ahead. */
const START_US = (Math.floor(Date.now() / 1000) - 3600) * 1e6 + 123_456
/** Beyond three chunks. */
const SPAN_US = 32_000_000
const COUNT = 20_000
const EVERY_US = SPAN_US / COUNT

describe.each([
  ['InfluxDB', startInflux],
  ['VictoriaMetrics', startVictoriaMetrics],
] as const)('%s', (_, start) => {
  let server: TestServer

  beforeAll(async () => {
    server = await start()
    await fetch(`${server.url}/query?q=CREATE+DATABASE+telemetry`, { method: 'POST' })
    const line = (atUs: number, tags = ''): string => `system_stats${tags} cpu=1,mem=2 ${atUs}000\n`
    const inside = Array.from({ length: COUNT }, (_sample, n) => {
      return line(START_US + Math.floor(n * EVERY_US), n % 3 === 0 ? `,host=h${n % 5}` : '')
    })
    const outside = [line(START_US - 2000), line(START_US + SPAN_US + 2000), `other cpu=1 ${START_US + 5}000\n`]
    const body = [...inside, ...outside].join('')
    const response = await fetch(`${server.url}/write?db=telemetry`, { method: 'POST', body })
    expect(response.status).toBe(204)
  })
  afterAll(() => server.stop())

  test('counts all samples of a range, and no others', async () => {
    const transport = new InfluxTransport({ url: server.url })
    const countStored = storeCount(transport, 'telemetry')
    const range = { startUs: START_US, endUs: START_US + SPAN_US }
    expect(await countUntilStill({ countStored, range, expected: COUNT, signal: never })).toBe(COUNT)
    expect(await countStored({ startUs: START_US - 9e6, endUs: START_US - 5000 }, never)).toBe(0)
    transport.close()
  })
})

test('a store that cannot count says why', async () => {
  const server = await startInflux()
  const transport = new InfluxTransport({ url: server.url })
  await expect(storeCount(transport, 'nowhere')({ startUs: 0, endUs: 10 }, never)).rejects.toThrow(
    /^the store at http.* cannot be asked how many samples it has: database not found: nowhere; see --influx-url/,
  )
  transport.close()
  await server.stop()
  const gone = new InfluxTransport({ url: `http://127.0.0.1:${await freePort()}` })
  await expect(storeCount(gone, 'telemetry')({ startUs: 0, endUs: 10 }, never)).rejects.toThrow(
    /ECONNREFUSED.*--no-count/,
  )
  gone.close()
})
