import { describe, expect, it } from 'vitest'
import { ApiScene } from '../../../test/support/api-scene.ts'
import { BrokerError } from '../../broker/broker.ts'
import type { PartitionState, QueueState } from '../../broker/queue-state.ts'
import { QueueView } from '../../view/queue/queue-view.ts'

const PARTITION: PartitionState = {
  ...{ topic: 'telemetry', partition: 0, length: 100, firstAgeMs: 90_000 },
  groups: [
    {
      ...{ group: 'sentinel', lag: undefined, pending: 3, oldestAgeMs: 2000, idleMs: 140 },
      readers: [{ name: 'web-01', pending: 3, idleMs: 140 }],
    },
  ],
}
const GATEWAY = {
  ...{ name: 'gateway-a', ageMs: 9e6, bytes: 700, maxBytes: 1000, problem: 'ENOSPC', consumers: [] },
  onDisk: [{ topic: 'telemetry', partition: 0, messages: 5, bytes: 700 }],
}

function sceneOf(look: () => Promise<QueueState>, nowMs = () => 0): Promise<ApiScene> {
  const queue = { topic: 'telemetry', trimsAt: 1000, look }
  return ApiScene.open({ queue: new QueueView({ kind: 'streams', queue }, nowMs) })
}

describe('GET /api/v1/queue', () => {
  it('gives partitions, groups, readers and gateways as its schema says', async () => {
    const scene = await sceneOf(async () => ({ total: 1, partitions: [PARTITION], gateways: [GATEWAY] }))
    const answer = await scene.ask('/api/v1/queue')
    expect(answer.statusCode).toBe(200)
    const { partitions, gateways } = answer.json()
    expect(partitions).toMatchObject([{ lag: null, pending: 3, overflow: 5, groups: [{ readers: [{ reads: true }] }] }])
    expect(partitions[0].attention).toHaveLength(1)
    expect(gateways).toMatchObject([{ silentMs: 9_000_000, messages: 5 }])
    expect(gateways[0].attention).toHaveLength(2)
  })

  it('is asked for again by its tag, and gives it again when something has changed', async () => {
    let [nowMs, length] = [0, 100]
    const scene = await sceneOf(
      async () => ({ total: 1, partitions: [{ ...PARTITION, length }], gateways: [] }),
      () => nowMs,
    )
    const first = await scene.ask('/api/v1/queue')
    expect(first.headers['cache-control']).toBe('no-cache')
    const again = (): ReturnType<ApiScene['ask']> =>
      scene.ask({ url: '/api/v1/queue', headers: { 'if-none-match': String(first.headers.etag) } })
    expect((await again()).statusCode).toBe(304)
    nowMs = 1000
    expect((await again()).statusCode).toBe(304)
    length = 101
    expect((await again()).statusCode).toBe(304)
    nowMs = 2000
    const changed = await again()
    expect([changed.statusCode, changed.json().partitions[0].length]).toEqual([200, 101])
  })

  it('says that Redis is away, and to the log alone why', async () => {
    const scene = await sceneOf(() => Promise.reject(new BrokerError('not_sent', 'NOPERM user s3cret at 10.1.2.3')))
    const answer = await scene.ask('/api/v1/queue')
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
    expect(answer.body).not.toContain('s3cret')
    expect(scene.log.join('')).toContain('s3cret')
  })

  it('says that there is no queue where the broker keeps nothing', async () => {
    const answer = await (await ApiScene.open()).ask('/api/v1/queue')
    expect(answer.json()).toMatchObject({ broker: 'memory', partitions: [], reason: expect.stringContaining('memory') })
  })
})
