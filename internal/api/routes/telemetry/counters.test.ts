import type { LightMyRequestResponse } from 'fastify'
import { describe, expect, it } from 'vitest'
import { FabricScene } from '../../../../test/support/fabric-scene.ts'
import { until } from '../../../../test/support/servers.ts'
import type { FrameRowEncoder } from '../../../codec/frame-rows.ts'
import { TableError } from '../../../fabric/table-reader.ts'
import { HttpError } from '../../../http/errors.ts'
import { PushedRows } from '../../../source/fabric/pushed-rows.ts'

interface Intake {
  readonly fabric: FabricScene
  /** Samples that were sent. */
  readonly sent: () => number
  readonly push: (
    body: string | Buffer,
    type?: string,
    headers?: Record<string, string>,
  ) => Promise<LightMyRequestResponse>
}

async function open(): Promise<Intake> {
  let sent = 0
  let pushed: PushedRows | undefined
  const fabric = await FabricScene.open({
    takeCounters: (table, isWhole) =>
      pushed!.take(table, isWhole).catch((error: unknown) => {
        throw error instanceof TableError ? new HttpError(400, error.message) : error
      }),
  })
  const { way, app } = fabric.scene
  pushed = new PushedRows({
    ...{
      fabric: 'default',
      publisher: 'api/1',
      snapshots: way.broker.snapshots,
      clock: { now: () => ++way.clock.time },
    },
    send: async (encoder: FrameRowEncoder) => {
      sent += encoder.count
      encoder.finish({ run: 'r', seq: 0 } as never)
    },
  })
  const push: Intake['push'] = (body, type = 'text/csv', headers = {}) =>
    app.inject({
      method: 'POST',
      url: '/telemetry/counters',
      payload: body,
      headers: { 'content-type': type, ...headers },
    })
  return { fabric, sent: () => sent, push }
}

const CSV =
  'timestamp,switch_id,bandwidth_mbps,latency_ms,packet_errors\n1763856000,sw1,1.5,2,3\n1763856000,sw2,4.5,5,6\n'

describe('POST /telemetry/counters', () => {
  it('takes CSV as all rows: they are shown, and published', async () => {
    const { fabric, push, sent } = await open()
    const answer = await push(CSV)
    expect([answer.statusCode, answer.json(), answer.headers.connection]).toEqual([
      202,
      { rows: 2, badRows: 0, badCells: 0 },
      'keep-alive',
    ])
    await until('it is shown', () => fabric.scene.fabrics.only !== undefined)
    expect((await fabric.get('GetMetric?switch_id=sw2&metric=packet_errors')).body).toBe('6')
    expect(sent()).toBe(2)
    await push(CSV.replaceAll('sw1', 'sw9').replace(/\n$/, ''))
    await until('it is shown', () => fabric.scene.fabrics.stats.swaps === 2)
    expect(Object.keys((await fabric.get('ListMetrics?shape=object')).json())).toEqual(['sw2', 'sw9'])
    const [state] = fabric.scene.fabrics.states('default')
    expect(state).toMatchObject({ publisher: 'api/1', target: { target: 'push', rows: 2 }, head: { intervalMs: 0 } })
  })

  it('takes JSON as some values, beside those of before', async () => {
    const { fabric, push, sent } = await open()
    await push(CSV)
    const rows = [
      { switch_id: 'sw2', metric: 'latency_ms', value: 7.25 },
      { switch_id: 'sw3', metric: 'latency_ms', value: 8 },
      { switch_id: 'a, "b"', metric: 'note', value: 'x,\n"y"' },
      { switch_id: 'sw3', metric: 'packet_errors', value: '1152921504606846976' },
    ]
    const answer = await push(JSON.stringify(rows), 'application/json; charset=utf-8')
    expect([answer.statusCode, answer.json()]).toEqual([202, { rows: 3, badRows: 0, badCells: 0 }])
    await until('it is shown', () => fabric.scene.fabrics.stats.swaps === 2)
    expect(sent()).toBe(5)
    expect((await fabric.get('ListMetrics?shape=object')).body).toBe(
      '{"a, \\"b\\"":{"note":"x,\\n\\"y\\""},"sw1":{"bandwidth_mbps":1.5,"latency_ms":2,"packet_errors":3},' +
        '"sw2":{"bandwidth_mbps":4.5,"latency_ms":7.25,"packet_errors":6},"sw3":{"latency_ms":8,"packet_errors":1152921504606846976}}',
    )
  })

  it('keeps all digits of an integer, or asks for them as text where JSON.parse gives none (Node.js 20)', async () => {
    const { fabric, push } = await open()
    const givesDigits = Number(process.versions.node.split('.')[0]) >= 21
    const large = (metric: string, value: string) => `{"switch_id":"sw1","metric":"${metric}","value":${value}}`
    const rows = [large('packet_errors', '9007199254740993'), large('PortXmitWaitExtended', '9223372036854775807')]
    const answer = await push(
      `[${[...rows, large('load', '1e300'), large('name', '"value"')].join(',')}]`,
      'application/json',
    )
    expect(answer.statusCode).toBe(givesDigits ? 202 : 400)
    if (!givesDigits) {
      expect(answer.body).toContain('write the digits of such an integer as a text')
      return
    }
    await until('it is shown', () => fabric.scene.fabrics.only !== undefined)
    expect((await fabric.get('ListMetrics')).body).toBe(
      '[{"sw1":{"packet_errors":9007199254740993,"PortXmitWaitExtended":9223372036854775807,"load":1e+300,"name":"value"}}]',
    )
  })

  it('counts bad rows and cells, and keeps the good', async () => {
    const { push } = await open()
    const answer = await push(`${CSV}1763856000,sw3,x,1,1\n1763856000,sw4,1\n1763856000,sw5,1,1,1\n`)
    expect(answer.json()).toEqual({ rows: 4, badRows: 1, badCells: 1 })
  })

  it.each<[string, string | Buffer, string, Record<string, string>, number]>([
    ['nothing', '', 'text/csv', {}, 400],
    ['no switches', 'a,b\n1,2\n', 'text/csv', {}, 400],
    ['a row that was cut off', CSV.slice(0, -14), 'text/csv', {}, 400],
    ['half of JSON', '[', 'application/json', {}, 400],
    ['no list', '{}', 'application/json', {}, 400],
    ['an empty list', '[]', 'application/json', {}, 400],
    ['a row without a value', '[{"switch_id":"a","metric":"m"}]', 'application/json', {}, 400],
    ['a value that is none', '[{"switch_id":"a","metric":"m","value":null}]', 'application/json', {}, 400],
    ['a metric that is none', '[{"switch_id":"a","metric":"timestamp","value":1}]', 'application/json', {}, 400],
    ['a packed body', CSV, 'text/csv', { 'content-encoding': 'gzip' }, 415],
    ['a picture', CSV, 'image/png', {}, 415],
    ['64 MiB and a byte', Buffer.alloc(64 * 2 ** 20 + 1, 0x61), 'text/csv', {}, 413],
    ['a page of another site', CSV, 'text/csv', { 'sec-fetch-site': 'cross-site' }, 403],
  ])('refuses %s', async (_name, body, type, headers, status) => {
    const { fabric, push, sent } = await open()
    const answer = await push(body, type, headers)
    expect([answer.statusCode, answer.headers['content-type']], answer.body).toEqual([
      status,
      'text/plain; charset=utf-8',
    ])
    expect([sent(), fabric.scene.fabrics.only]).toEqual([0, undefined])
    const problem = await push(body, type, { ...headers, accept: 'application/json' })
    expect(problem.json()).toMatchObject({ status })
  })

  it('stands in the OpenAPI document, with both kinds of bodies', async () => {
    const { fabric } = await open()
    const { post } = (await fabric.scene.app.inject('/docs/json')).json().paths['/telemetry/counters']
    expect(Object.keys(post.requestBody.content)).toEqual(['text/csv', 'application/json'])
    expect(post.requestBody.content['application/json'].schema.items.required).toEqual(['switch_id', 'metric', 'value'])
    const statuses = ['202', '400', '403', '404', '408', '413', '414', '415', '421', '429', '431', '500', '503']
    expect(Object.keys(post.responses)).toEqual(statuses)
  })

  it.each(['?x=1', '?fabric=a'])('refuses the parameter of %s', async (query) => {
    const { fabric } = await open()
    const request = { method: 'POST', url: `/telemetry/counters${query}`, payload: CSV } as const
    const answer = await fabric.scene.app.inject({ ...request, headers: { 'content-type': 'text/csv' } })
    expect([answer.statusCode, answer.body]).toEqual([400, `there is no parameter "${query.slice(1).split('=')[0]}"\n`])
  })

  it('says 503 to those beyond four that wait', async () => {
    let go = (): void => {}
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    const fabric = await FabricScene.open({
      takeCounters: async () => {
        await held
        return { rows: 1, badRows: 0, badCells: 0 }
      },
    })
    const push = () =>
      fabric.scene.app.inject({
        method: 'POST',
        url: '/telemetry/counters',
        payload: CSV,
        headers: { 'content-type': 'text/csv' },
      })
    const four = Array.from({ length: 4 }, push)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const fifth = await push()
    expect([fifth.statusCode, fifth.headers['retry-after']]).toEqual([503, '1'])
    go()
    expect((await Promise.all(four)).map(({ statusCode }) => statusCode)).toEqual([202, 202, 202, 202])
  })
})
