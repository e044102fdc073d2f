import { afterEach, describe, expect, test } from 'vitest'
import { influxQuery } from '../../test/support/influx.ts'
import { startInflux, startVictoriaMetrics, type TestServer } from '../../test/support/servers.ts'
import { findWritePath } from './write-api.ts'

const place = { token: '', username: '', password: '', org: '', bucket: 'bench', gzip: false, timeoutMs: 5000 }

describe('the write path is found', () => {
  let server: TestServer | undefined

  afterEach(() => server?.stop())

  test('of InfluxDB 1.6, and its database is created', async () => {
    server = await startInflux()
    expect(await findWritePath({ ...place, url: server.url })).toBe('v1')
    expect(await influxQuery(server.url, '', 'SHOW DATABASES')).toContainEqual(
      expect.objectContaining({ name: 'bench' }),
    )
  })

  test('of VictoriaMetrics', async () => {
    server = await startVictoriaMetrics()
    expect(await findWritePath({ ...place, url: server.url })).toBe('v2')
  })
})

test('a server that cannot be reached is named', async () => {
  await expect(findWritePath({ ...place, url: 'http://127.0.0.1:1' })).rejects.toThrow(
    /^InfluxDB at http:\/\/127\.0\.0\.1:1 cannot be reached: .*is INFLUX_URL right\?$/,
  )
})
