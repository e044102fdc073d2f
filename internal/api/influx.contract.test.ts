import { afterAll, beforeAll, expect, it } from 'vitest'
import { OpenApiDocument } from '../../test/support/open-api.ts'
import { expectRightAnswers } from '../../test/support/right-inputs.ts'
import { startInflux, type TestServer } from '../../test/support/servers.ts'
import { openStoredScene } from '../../test/support/stored-scene.ts'
import { openInflux } from '../store/influx/open-influx.contract.ts'
import type { OpenStore } from '../store/store.contract.ts'

// Right questions to an API over InfluxDB, whose answers are held against the OpenAPI document. `contract.test.ts` beside it asks DuckDB, in wrong ways too.

let influx: TestServer
let store: OpenStore
beforeAll(async () => {
  influx = await startInflux()
  store = await openInflux({ url: influx.url, org: '', bucket: 'api' })
})
afterAll(async () => {
  await store?.close()
  await influx?.stop()
})

it('answers questions about what is stored as its document says', async () => {
  const { app } = await openStoredScene(store)
  const document = await OpenApiDocument.of(app)
  const stored = document.endpoints.filter(({ path }) => /hosts|gpus|namespaces|metrics$|events|export/.test(path))
  expect(stored.length).toBeGreaterThan(8)
  const ask: Parameters<typeof expectRightAnswers>[1] = async (endpoint, request) => {
    const answer = await app.inject(request)
    document.hold(endpoint, String(request.method), answer, `${request.url} ${answer.body.slice(0, 300)}`)
    return answer
  }
  await expectRightAnswers(stored, ask, { storeHasParquet: false })
  await app.close()
})
