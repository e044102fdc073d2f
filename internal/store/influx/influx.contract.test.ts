import { afterAll, beforeAll } from 'vitest'
import { startInflux, type TestServer } from '../../../test/support/servers.ts'
import { storeContract } from '../store.contract.ts'
import { openInflux } from './open-influx.contract.ts'

let influx: TestServer
beforeAll(async () => {
  influx = await startInflux()
})
afterAll(() => influx?.stop())

storeContract('InfluxDB 1.6', async () => openInflux({ url: influx.url, org: '', bucket: 'contract' }), { uint: false })
