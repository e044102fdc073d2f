import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { FabricWriter, SWITCH_COLUMNS, snapshotOf, switchesOf } from '../../../../test/support/fabric.ts'
import { FabricScene as Fabric } from '../../../../test/support/fabric-scene.ts'
import type { Column } from '../../../fabric/snapshot.ts'

const PLAIN = 'text/plain; charset=utf-8'
const PROBLEM = 'application/problem+json; charset=utf-8'

const B_COLUMNS: readonly Column[] = [
  { name: 'Bandwidth_Rx_Gbps', kind: 'float' },
  { name: 'Latency_Avg_uSec', kind: 'float' },
  { name: 'Error_CRC_Count', kind: 'int' },
  { name: 'Port_Status', kind: 'text' },
]
const B_ROWS = snapshotOf('switch', B_COLUMNS, [
  { id: 'SW-05', atUs: 1, cells: [12.5, 152.2, 2n ** 60n, 'Up'] },
  { id: 'SW-00', atUs: 2, cells: [undefined, 1, 3, 'a "b"\n'] },
])

describe('GET /telemetry/GetMetric', () => {
  it.each([
    ['switch_id=sw5&metric=latency_ms', '0.5'],
    ['metric=packet_errors&switch_id=sw5', '14'],
    ['switch_id=SW5&metric=bandwidth_mbps', '1.00390625'],
    ['switch_id=sw5&metric=latency_ms&fabric=default', '0.5'],
    ['switch_id=sw5&metric_name=latency_ms', '{"switch_id":"sw5","metric_name":"latency_ms","value":0.5}'],
  ])('%s', async (query, body) => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(12, fabric.scene.way.clock.time, 1))
    const answer = await fabric.get(`GetMetric?${query}`)
    expect([answer.statusCode, answer.headers['content-type'], answer.body]).toEqual([200, 'application/json', body])
  })

  it.each([
    ['sw-05', 'Latency_Avg_uSec', '{"switch_id":"SW-05","metric_name":"Latency_Avg_uSec","value":152.2}'],
    ['SW-05', 'Port_Status', '{"switch_id":"SW-05","metric_name":"Port_Status","value":"Up"}'],
    ['sW-00', 'Port_Status', '{"switch_id":"SW-00","metric_name":"Port_Status","value":"a \\"b\\"\\n"}'],
    ['sw-05', 'Error_CRC_Count', '{"switch_id":"SW-05","metric_name":"Error_CRC_Count","value":1152921504606846976}'],
  ])('%s %s by metric_name', async (id, metric, body) => {
    const fabric = await Fabric.open()
    await fabric.show(B_ROWS)
    expect((await fabric.get(`GetMetric?switch_id=${id}&metric_name=${metric}`)).body).toBe(body)
  })

  it.each([
    ['', 400, 'Missing switch_id parameter'],
    ['metric=latency_ms', 400, 'Missing switch_id parameter'],
    ['switch_id=&metric=latency_ms', 400, 'Missing switch_id parameter'],
    ['switch_id=&metric=', 400, 'Missing switch_id parameter'],
    ['switch_id=sw1', 400, 'Missing metric parameter'],
    ['switch_id=sw1&metric=', 400, 'Missing metric parameter'],
    [
      'switch_id=sw1&metric=latency_ms&metric_name=latency_ms',
      400,
      'metric_name stands in place of metric: give one of them',
    ],
    ['switch_id=sw1&switch_id=sw2&metric=latency_ms', 400, 'switch_id is given twice'],
    ['switch_id=sw1&metric=latency_ms&x=1', 400, 'there is no parameter "x"'],
    ['switch_id=sw77&metric=latency_ms', 404, 'switch_id does not exist'],
    ['switch_id=sw77&metric=a', 404, 'switch_id does not exist'],
    ['switch_id=sw1&metric=a', 404, 'metric does not exist'],
    ['switch_id=sw1&metric=timestamp', 404, 'metric does not exist'],
    ['switch_id=sw1&metric=switch_id', 404, 'metric does not exist'],
    ['switch_id=sw1&metric=latency_ms&fabric=x', 404, 'fabric does not exist'],
  ])('%s → %i %s', async (query, status, text) => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(12, fabric.scene.way.clock.time, 1))
    for (const accept of ['*/*', 'text/html,application/json;q=0', '']) {
      const plain = await fabric.get(`GetMetric?${query}`, { accept })
      if (query.includes('metric_name')) expect(plain.json()).toMatchObject({ status, detail: text })
      else expect([plain.statusCode, plain.headers['content-type'], plain.body]).toEqual([status, PLAIN, `${text}\n`])
      expect(plain.headers['cache-control']).toBe('no-store')
    }
    for (const accept of ['application/json', 'text/html, application/problem+json;q=0.5']) {
      const problem = await fabric.get(`GetMetric?${query}`, { accept })
      expect([problem.statusCode, problem.headers['content-type']]).toEqual([status, PROBLEM])
      expect(problem.json().status).toBe(status)
    }
  })

  it('says what is not there in the words of the object form', async () => {
    const fabric = await Fabric.open()
    await fabric.show(B_ROWS)
    const detailOf = async (query: string) => (await fabric.get(`GetMetric?${query}`)).json().detail
    expect(await detailOf('switch_id=SW-77&metric_name=a')).toBe("Switch ID 'SW-77' not found.")
    const valid = 'Bandwidth_Rx_Gbps, Latency_Avg_uSec, Error_CRC_Count, Port_Status'
    expect(await detailOf('switch_id=sw-05&metric_name=a')).toBe(
      `Metric 'a' not found for switch 'SW-05'. Valid metrics are: ${valid}`,
    )
    // A cell without a value.
    expect(await detailOf('switch_id=SW-00&metric_name=Bandwidth_Rx_Gbps')).toContain("not found for switch 'SW-00'")
  })

  it('answers 503 before the first snapshot, once the parameters are right', async () => {
    const fabric = await Fabric.open()
    const answer = await fabric.get('GetMetric?switch_id=sw1&metric=a')
    expect([answer.statusCode, answer.headers['retry-after'], answer.body]).toEqual([
      503,
      '5',
      'no snapshot of a fabric has arrived yet\n',
    ])
    const problem = await fabric.get('GetMetric?switch_id=sw1&metric_name=a')
    expect([problem.statusCode, problem.headers['retry-after'], problem.headers['content-type']]).toEqual([
      503,
      '5',
      PROBLEM,
    ])
    expect((await fabric.get('GetMetric?metric=a')).statusCode).toBe(400)
    expect((await fabric.get('ListMetrics')).statusCode).toBe(503)
    expect((await fabric.get('top?metric=a')).statusCode).toBe(503)
    expect((await fabric.get('stats')).json()).toMatchObject({ fabrics: [], swaps: 0 })
  })

  it('asks for the fabric where there are several', async () => {
    const fabric = await Fabric.open()
    await fabric.show(B_ROWS, 'b')
    await fabric.show(switchesOf(2, 1, 1), 'a')
    const answer = await fabric.get('GetMetric?switch_id=sw1&metric=latency_ms')
    expect([answer.statusCode, answer.body]).toEqual([400, 'Missing fabric parameter\n'])
    const problem = await fabric.get('GetMetric?switch_id=sw1&metric_name=latency_ms')
    expect(problem.json()).toMatchObject({
      parameter: 'fabric',
      detail: 'there are several fabrics: add fabric=, one of a, b',
    })
    expect((await fabric.get('GetMetric?switch_id=sw-05&metric=Latency_Avg_uSec&fabric=b')).body).toBe('152.2')
  })

  it('answers 503 for a fabric that is announced, and not shown yet', async () => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(2, 1, 1), 'a')
    fabric.scene.way.broker.snapshots.read = async () => undefined
    const writer = new FabricWriter(fabric.scene.way.broker.snapshots, { fabric: 'b' })
    await writer.write(fabric.scene.way.clock.time, { 'http://b': B_ROWS })
    const answer = await fabric.get('GetMetric?switch_id=SW-05&metric=Port_Status&fabric=b')
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5'])
    expect((await fabric.get('GetMetric?switch_id=sw1&metric=latency_ms')).body).toBe('0.5')
  })
})

describe('answers of a generation', () => {
  it.each(['GetMetric?switch_id=sw1&metric=latency_ms', 'ListMetrics', 'top?metric=latency_ms&by=rate'])(
    '%s: ETag, 304, HEAD',
    async (url) => {
      const fabric = await Fabric.open()
      await fabric.show(switchesOf(3, 1, 1))
      const first = await fabric.get(url)
      const tag = String(first.headers.etag)
      expect(tag).toContain(fabric.scene.fabrics.only!.id)
      expect(first.headers['cache-control']).toBe('no-cache')
      for (const ifNoneMatch of [tag, '*', `"x", ${tag}`, tag.replace('W/', '')]) {
        const again = await fabric.get(url, { 'if-none-match': ifNoneMatch })
        expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, '', tag])
      }
      expect((await fabric.get(url, { 'if-none-match': '"x"' })).body).toBe(first.body)
      const head = await fabric.scene.app.inject({ method: 'HEAD', url: `/telemetry/${url}` })
      expect([head.statusCode, head.body, head.headers.etag, head.headers['content-length']]).toEqual([
        200,
        '',
        tag,
        String(first.body.length),
      ])
      await fabric.show(switchesOf(3, 2, 2))
      const next = await fabric.get(url, { 'if-none-match': tag })
      expect(next.statusCode).toBe(200)
      expect(next.headers.etag).not.toBe(tag)
    },
  )

  it('come with an error all the same where the question is wrong', async () => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(3, 1, 1))
    for (const url of ['GetMetric?switch_id=sw9&metric=latency_ms', 'ListMetrics?switch_id=sw9', 'top?metric=x'])
      expect((await fabric.get(url, { 'if-none-match': '*' })).statusCode).toBe(404)
  })

  it.each(['GetMetric', 'ListMetrics', 'top', 'stats'])('%s refuses other methods', async (path) => {
    const fabric = await Fabric.open()
    const answer = await fabric.scene.app.inject({ method: 'DELETE', url: `/telemetry/${path}` })
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD'])
    expect([answer.headers['content-type'], answer.body]).toEqual([PLAIN, `/telemetry/${path} does not allow DELETE\n`])
  })

  it.each(['', '/', '/none', '/getmetric?switch_id=sw1&metric=latency_ms'])('there is nothing at %s', async (path) => {
    const fabric = await Fabric.open()
    const ask = (accept: string) => fabric.scene.app.inject({ url: `/telemetry${path}`, headers: { accept } })
    const plain = await ask('*/*')
    expect([plain.statusCode, plain.headers['content-type']]).toEqual([404, PLAIN])
    expect(plain.body).toBe(`there is nothing at /telemetry${path.split('?')[0]}\n`)
    expect((await ask('application/json')).headers['content-type']).toBe(PROBLEM)
  })
})

describe('GET /telemetry/ListMetrics', () => {
  const rowOf = (i: number) => ({ bandwidth_mbps: 1 + i / 1024, latency_ms: 0.5, packet_errors: 10 + i })

  it('lists all rows in natural order, as an array or an object', async () => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(12, 1, 1))
    const names = Array.from({ length: 12 }, (_, i) => `sw${i + 1}`)
    const array = await fabric.get('ListMetrics')
    expect([array.statusCode, array.headers['content-type']]).toEqual([200, 'application/json'])
    expect(array.json()).toEqual(names.map((name, i) => ({ [name]: rowOf(i) })))
    expect(array.headers.link).toBeUndefined()
    const object = (await fabric.get('ListMetrics?shape=object')).json()
    expect(Object.entries(object)).toEqual(names.map((name, i) => [name, rowOf(i)]))
  })

  it('takes the shape of the setting', async () => {
    const fabric = await Fabric.open({ telemetryShape: 'object' })
    await fabric.show(B_ROWS)
    expect((await fabric.get('ListMetrics')).body).toBe(
      '{"SW-00":{"Latency_Avg_uSec":1,"Error_CRC_Count":3,"Port_Status":"a \\"b\\"\\n"},' +
        '"SW-05":{"Bandwidth_Rx_Gbps":12.5,"Latency_Avg_uSec":152.2,"Error_CRC_Count":1152921504606846976,"Port_Status":"Up"}}',
    )
    expect((await fabric.get('ListMetrics?shape=array&switch_id=sw-05&metric=Port_Status')).body).toBe(
      '[{"SW-05":{"Port_Status":"Up"}}]',
    )
  })

  it('lists some rows, some metrics, and what is newer than a time', async () => {
    const fabric = await Fabric.open()
    const since = 1_800_000_000_000_000
    const rows = ['sw10', 'sw2', 'sw1'].map((id, i) => ({ id, atUs: since + i, cells: [i, i, i] }))
    await fabric.show(snapshotOf('switch', SWITCH_COLUMNS, rows))
    const ask = async (query: string) => (await fabric.get(`ListMetrics?${query}`)).json()
    expect(await ask('metric=latency_ms&metric=packet_errors')).toEqual([
      { sw1: { latency_ms: 2, packet_errors: 2 } },
      { sw2: { latency_ms: 1, packet_errors: 1 } },
      { sw10: { latency_ms: 0, packet_errors: 0 } },
    ])
    expect(await ask('switch_id=SW10&switch_id=sw1&switch_id=sw10&metric=latency_ms')).toEqual([
      { sw1: { latency_ms: 2 } },
      { sw10: { latency_ms: 0 } },
    ])
    expect(await ask(`updated_since=${since}&metric=latency_ms`)).toEqual([
      { sw1: { latency_ms: 2 } },
      { sw2: { latency_ms: 1 } },
    ])
    expect(await ask('updated_since=2027-01-15T08:00:00.000001Z&metric=latency_ms')).toEqual([
      { sw1: { latency_ms: 2 } },
    ])
    expect(await ask('updated_since=2999-01-01T00:00:00Z'.replace('2999', '2200'))).toEqual([])
  })

  it('gives pages that a Link leads along, each row once, in both shapes', async () => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(23, 1, 1))
    for (const shape of ['array', 'object']) {
      let url: string | undefined = `ListMetrics?limit=5&shape=${shape}&metric=latency_ms`
      const seen: string[] = []
      const sizes: number[] = []
      while (url !== undefined) {
        const answer = await fabric.get(url)
        const page = answer.json() as object | object[]
        const ids = (Array.isArray(page) ? page : [page]).flatMap((one: object) => Object.keys(one))
        seen.push(...ids)
        sizes.push(ids.length)
        url = /^<\/telemetry\/(.*)>; rel="next"$/.exec(String(answer.headers.link))?.[1]
      }
      expect(seen).toEqual(Array.from({ length: 23 }, (_, i) => `sw${i + 1}`))
      expect(sizes).toEqual([5, 5, 5, 5, 3])
    }
    expect((await fabric.get('ListMetrics?cursor=sw22&limit=1')).headers.link).toBeUndefined()
    expect((await fabric.get('ListMetrics?cursor=zzz')).body).toBe('[]')
  })

  it('gives pages over a swap, each row that stays once, in order', async () => {
    const fabric = await Fabric.open()
    const rows = (ids: readonly number[]) =>
      snapshotOf(
        'switch',
        SWITCH_COLUMNS,
        ids.map((id) => ({ id: `sw${id}`, atUs: 1, cells: [id, id, id] })),
      )
    const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1)
    await fabric.show(rows(upTo(12)))
    const first = await fabric.get('ListMetrics?limit=5&metric=packet_errors')
    // The row at which the next page begins goes, others come before and behind it, and the target lists them another way.
    await fabric.show(rows([14, ...upTo(12).filter((id) => id !== 5 && id !== 2), 13].toReversed()))
    const seen = [first, await fabric.get(/<\/telemetry\/(.*)>/.exec(String(first.headers.link))![1]!)]
    seen.push(await fabric.get(/<\/telemetry\/(.*)>/.exec(String(seen[1]!.headers.link))![1]!))
    const ids = seen.map((page) => page.json().flatMap((row: object) => Object.keys(row)))
    expect(ids).toEqual([upTo(5), [6, 7, 8, 9, 10], [11, 12, 13, 14]].map((page) => page.map((id) => `sw${id}`)))
    expect(seen.map(({ headers }) => headers.etag === first.headers.etag)).toEqual([true, false, false])
  })

  it('gives so many rows as have 400,000 values, whatever is asked for', async () => {
    const fabric = await Fabric.open()
    const columns: Column[] = Array.from({ length: 100 }, (_, i) => ({ name: `m${i}`, kind: 'int' }))
    const cells = columns.map((_, i) => i)
    await fabric.show(
      snapshotOf(
        'switch',
        columns,
        Array.from({ length: 4_100 }, (_, i) => ({ id: `p${i}`, atUs: 1, cells })),
      ),
    )
    const [first, same] = await Promise.all([
      fabric.get('ListMetrics?limit=100000'),
      fabric.get('ListMetrics?limit=100000'),
    ])
    expect(first.json()).toHaveLength(4_000)
    expect(same.body).toBe(first.body)
    const next = await fabric.get(/<\/telemetry\/(.*)>/.exec(String(first.headers.link))![1]!)
    expect(next.json()).toHaveLength(100)
    expect((await fabric.get('ListMetrics?metric=m1')).json()).toHaveLength(4_100)
  })

  it.each([500, 5_000])('comes with gzip on request, at once or in slices: %d rows', async (rows) => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(rows, 1, 1))
    const packed = await fabric.scene.app.inject({
      url: '/telemetry/ListMetrics',
      headers: { 'accept-encoding': 'gzip' },
    })
    expect(packed.headers['content-encoding']).toBe('gzip')
    const plain = await fabric.get('ListMetrics')
    expect(plain.json()).toHaveLength(rows)
    expect(gunzipSync(packed.rawPayload).toString()).toBe(plain.body)
  })

  it.each([
    ['switch_id=sw1&switch_id=sw9', 404, 'switch_id does not exist'],
    ['metric=x&switch_id=sw9', 404, 'switch_id does not exist'],
    ['metric=timestamp', 404, 'metric does not exist'],
    ['updated_since=now', 400, '"now" is not a time: give an RFC 3339 time, or microseconds since 1970\n'],
    ['updated_since=', 400, '"" is not a time: give an RFC 3339 time, or microseconds since 1970\n'],
    ['metric=latency_ms&metric=x', 404, 'metric does not exist'],
    ['fabric=x', 404, 'fabric does not exist'],
    ['updated_since=yesterday', 400, '"yesterday" is not a time'],
    ['updated_since=-5m', 400, '"-5m" is not a time'],
    ['limit=0', 400, 'limit must be >= 1'],
    ['shape=list', 400, 'shape must be equal to one of the allowed values: array, object'],
    ['pages=1', 400, 'there is no parameter "pages"'],
  ])('%s → %i', async (query, status, text) => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(3, 1, 1))
    const plain = await fabric.get(`ListMetrics?${query}`)
    expect([plain.statusCode, plain.headers['content-type']]).toEqual([status, PLAIN])
    expect(plain.body).toContain(text)
    expect((await fabric.get(`ListMetrics?${query}`, { accept: 'application/json' })).json()).toMatchObject({ status })
  })
})

describe('GET /telemetry/top', () => {
  const columns: Column[] = [
    { name: 'PortXmitDiscardsExtended', kind: 'int' },
    { name: 'state', kind: 'text' },
  ]
  const ports = (atUs: number, values: Array<number | bigint | undefined>) =>
    snapshotOf(
      'fabric_port',
      columns,
      values.map((value, i) => ({ id: `ab_${i + 1}`, atUs, switchName: 'leaf-1', cells: [value, 'Up'] })),
    )

  it('lists the rows with the largest values, deltas or rates', async () => {
    const fabric = await Fabric.open()
    await fabric.show(ports(1_000_000, [5, 100, 65_535, undefined, 2n ** 60n, 7]))
    await fabric.show(ports(3_000_000, [25, 90, 65_535, 1, 2n ** 60n + 4n, 27]))
    const row = (id: number, value: number, delta: number | null, rate: number | null, more = {}) => ({ switch_id: `ab_${id}`, switch: 'leaf-1', at: 3_000_000, value, delta, rate, ...more }) // biome-ignore format: one line
    const top = async (query: string) => (await fabric.get(`top?metric=PortXmitDiscardsExtended&${query}`)).json()
    const { rows, ...head } = await top('limit=3')
    expect(head).toEqual({
      fabric: 'default',
      generation: fabric.scene.fabrics.only!.id,
      metric: 'PortXmitDiscardsExtended',
      by: 'value',
    })
    expect(rows).toEqual([
      row(5, 2 ** 60, 4, 2),
      row(3, 65_535, 0, 0, { saturated: true }),
      row(2, 90, null, null, { reset: true }),
    ])
    expect((await top('by=rate')).rows).toEqual([
      row(1, 25, 20, 10),
      row(6, 27, 20, 10),
      row(5, 2 ** 60, 4, 2),
      row(3, 65_535, 0, 0, { saturated: true }),
    ])
    expect((await top('by=delta&limit=1')).rows).toEqual([row(1, 25, 20, 10)])
  })

  it('has no deltas before the second snapshot, and 15 rows unless more are asked for', async () => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(40, 1, 1))
    expect((await fabric.get('top?metric=packet_errors&by=delta')).json().rows).toEqual([])
    const { rows } = (await fabric.get('top?metric=packet_errors')).json()
    expect(rows.map(({ switch_id: id }: { switch_id: string }) => id)).toEqual(
      Array.from({ length: 15 }, (_, i) => `sw${40 - i}`),
    )
    expect((await fabric.get('top?metric=packet_errors&limit=40')).json().rows).toHaveLength(40)
  })

  it.each([
    ['', 400, 'Missing metric parameter\n'],
    ['metric=', 400, 'Missing metric parameter\n'],
    ['metric=state', 400, 'state is a text'],
    ['metric=x', 404, 'metric does not exist'],
    ['metric=PortXmitDiscardsExtended&by=size', 400, 'value, delta, rate'],
    ['metric=PortXmitDiscardsExtended&limit=1001', 400, 'limit must be <= 1000'],
  ])('%s → %i', async (query, status, text) => {
    const fabric = await Fabric.open()
    await fabric.show(ports(1, [1]))
    const answer = await fabric.get(`top?${query}`)
    expect(answer.statusCode).toBe(status)
    expect(answer.body).toContain(text)
  })
})

describe('GET /telemetry/stats', () => {
  it('says how fresh the values are, and how long queries took', async () => {
    const fabric = await Fabric.open()
    await fabric.show(switchesOf(12, 1, 1))
    for (let i = 0; i < 3; i++) await fabric.get('GetMetric?switch_id=sw1&metric=latency_ms')
    await fabric.get('ListMetrics')
    fabric.scene.way.clock.time += 40e6
    const { id } = fabric.scene.fabrics.only!
    const stats = (await fabric.get('stats')).json()
    const age = { ageMs: 40_000, stale: true, rows: 12, badRows: 0 }
    const cycle = { fetchMs: 1, parseMs: 2, publishMs: 3 }
    const target = {
      target: 'http://a',
      publisher: 'agent/a',
      up: true,
      intervalMs: 10_000,
      takenAt: expect.any(Number),
    }
    expect(stats).toMatchObject({
      ...{ swaps: 1, missing: 0, undecodable: 0, swapLatency: { count: 1 } },
      fabrics: [{ fabric: 'default', generation: id, metrics: 3, ...age, targets: [{ ...target, ...age, ...cycle }] }],
      queries: { GetMetric: { count: 3 }, ListMetrics: { count: 1 }, top: { count: 0 } },
    })
    expect((await fabric.get('stats?x=1')).statusCode).toBe(400)
  })
})

describe('limits', () => {
  it('count requests of one address over both interfaces together', async () => {
    const fabric = await Fabric.open({ limits: { requestsPerMinute: 3 } })
    await fabric.show(switchesOf(3, 1, 1))
    const ask = (url: string) => fabric.scene.app.inject({ url, remoteAddress: '192.0.2.1' })
    const statuses: number[] = []
    for (const url of ['/telemetry/ListMetrics', '/api/v1/hosts', '/telemetry/stats', '/telemetry/ListMetrics'])
      statuses.push((await ask(url)).statusCode)
    expect(statuses).toEqual([200, 200, 200, 429])
    const refused = await ask('/telemetry/GetMetric?switch_id=sw1&metric=latency_ms')
    expect([refused.statusCode, refused.headers['content-type'], Number(refused.headers['retry-after']) > 0]).toEqual([
      429,
      PLAIN,
      true,
    ])
  })
})
