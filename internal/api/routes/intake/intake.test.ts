import { expect, it } from 'vitest'
import { ApiScene } from '../../../../test/support/api-scene.ts'

const limits = {
  maxBodyBytes: 1e6,
  maxPackedBytes: 1e6,
  maxReadingBytes: 1e6,
  requestsPerMinute: 10,
  requestsPerMinutePerKey: 10,
}

it('stands in the OpenAPI document, and answers 503 where nothing would be durable', async () => {
  const scene = await ApiScene.open({ intake: { desk: undefined, limits: () => limits } })
  const document = await scene.app.inject('/docs/json')
  expect(document.statusCode, scene.log.join('')).toBe(200)
  const { paths } = document.json<{ paths: Record<string, { post?: { responses: Record<string, unknown> } }> }>()
  for (const path of ['/api/v2/write', '/write', '/telemetry', '/api/v1/ingest/csv', '/api/v1/prom/write']) {
    expect(Object.keys(paths[path]?.post?.responses ?? {}), path).toContain('503')
    const answer = await scene.app.inject({ method: 'POST', url: path, payload: 'm v=1' })
    expect([answer.statusCode, answer.body], path).toEqual([503, expect.stringContaining('--broker-kind streams')])
  }
  await scene.app.close()
})
