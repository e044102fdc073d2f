import { describe, expect, it } from 'vitest'
import { snapshotOf, switchesOf } from '../../../test/support/fabric.ts'
import { FabricScene } from '../../../test/support/fabric-scene.ts'
import type { Column } from '../../fabric/snapshot.ts'
import { type HistoryQuery, StoreError } from '../../store/store.ts'

const COLUMNS: readonly Column[] = [
  { name: 'PortXmitDataExtended', kind: 'int' },
  { name: 'fec_mode_active', kind: 'text' },
]
const GUID = '0c42a103008b3bd0'
const ports = (atUs: number, first: number) =>
  snapshotOf('fabric_port', COLUMNS, [
    { id: `${GUID}_10`, atUs, switchName: 'leaf-2', cells: [first, 'a'] },
    { id: `${GUID}_9`, atUs, switchName: 'leaf-10', cells: [first + 2, 'b'] },
    { id: `${GUID}_1`, atUs, switchName: 'leaf-2', cells: [2n ** 60n, undefined] },
  ])

describe('GET /api/v1/fabrics', () => {
  it('is empty before the first snapshot', async () => {
    const { scene } = await FabricScene.open()
    expect((await scene.ask('/api/v1/fabrics')).json()).toEqual({ fabrics: [] })
    const cells = await scene.ask('/api/v1/fabrics/cells?metric=a')
    expect([cells.statusCode, cells.headers['retry-after']]).toEqual([503, '5'])
    expect((await scene.ask('/api/v1/switches')).statusCode).toBe(503)
  })

  it('lists the fabrics, and the cells of one, switch by switch', async () => {
    const fabric = await FabricScene.open()
    const { scene } = fabric
    await fabric.show(ports(1_000_000, 5))
    await fabric.show(ports(3_000_000, 25))
    await fabric.show(switchesOf(3, 1, 1), 'other')
    const { fabrics } = (await scene.ask('/api/v1/fabrics')).json()
    expect(fabrics).toMatchObject([
      {
        ...{
          fabric: 'default',
          subject: 'fabric_port',
          ageMs: 10_000,
          intervalMs: 10_000,
          stale: false,
          rows: 3,
          switches: 2,
        },
        metrics: [
          { name: 'PortXmitDataExtended', kind: 'int', isCounter: true },
          { name: 'fec_mode_active', kind: 'text', isCounter: false },
        ],
        targets: [{ target: 'http://a', up: true, ageMs: 10_000 }],
      },
      { fabric: 'other', subject: 'switch', ageMs: 0, rows: 3, switches: 3 },
    ])
    const cells = async (query: string) => (await scene.ask(`/api/v1/fabrics/cells?${query}`)).json()
    const of = {
      ...{ generation: fabrics[0].generation, atUs: expect.any(Number) },
      groups: [
        { name: 'leaf-2', count: 2 },
        { name: 'leaf-10', count: 1 },
      ],
      ids: [`${GUID}_1`, `${GUID}_10`, `${GUID}_9`],
    }
    expect(await cells('fabric=default&metric=PortXmitDataExtended')).toEqual({ ...of, values: [2 ** 60, 25, 27] })
    expect(await cells('fabric=default&metric=PortXmitDataExtended&by=rate')).toEqual({ ...of, values: [0, 10, 10] })
    expect(await cells('fabric=default&metric=fec_mode_active')).toEqual({ ...of, values: [null, 'a', 'b'] })
    expect(await cells('fabric=other&metric=latency_ms')).toMatchObject({
      groups: [{ name: '', count: 3 }],
      ids: ['sw1', 'sw2', 'sw3'],
    })
    expect(await cells('metric=latency_ms')).toMatchObject({ status: 400, parameter: 'fabric' })
    expect(await cells('fabric=x&metric=latency_ms')).toMatchObject({ status: 404 })
    expect(await cells('fabric=other&metric=x')).toMatchObject({ status: 404 })
  })
})

describe('ports whose source has no name for their switch', () => {
  it('are the ports of the switch with their GUID', async () => {
    const fabric = await FabricScene.open()
    const { scene } = fabric
    const other = 'f452140300aa0001'
    const rows = [`${GUID}_2`, `${other}_1`, `${GUID}_1`].map((id) => ({ id, atUs: 1, cells: [1, 'a'] }))
    await fabric.show(snapshotOf('fabric_port', COLUMNS, rows))
    expect((await scene.ask('/api/v1/fabrics')).json()).toMatchObject({ fabrics: [{ rows: 3, switches: 2 }] })
    expect((await scene.ask('/api/v1/fabrics/cells?metric=fec_mode_active')).json()).toMatchObject({
      groups: [
        { name: GUID, count: 2 },
        { name: other, count: 1 },
      ],
      ids: [`${GUID}_1`, `${GUID}_2`, `${other}_1`],
    })
  })
})

describe('GET /api/v1/switches', () => {
  it('lists the rows page by page, with a metric and what is stale', async () => {
    const fabric = await FabricScene.open()
    const { scene } = fabric
    await fabric.show(ports(3_000_000, 25))
    const ask = async (query: string) => (await scene.ask(`/api/v1/switches?${query}`)).json()
    const row = (port: number, name: string) => ({ switch_id: `${GUID}_${port}`, switch: name, at: 3_000_000 })
    const head = { now: scene.way.clock.time, fabric: 'default', generation: scene.fabrics.only!.id, total: 3 }
    expect(await ask('')).toEqual({
      ...head,
      next: null,
      switches: [row(1, 'leaf-2'), row(9, 'leaf-10'), row(10, 'leaf-2')],
    })
    const value = { value: 27, delta: null, rate: null }
    expect(await ask(`metric=PortXmitDataExtended&limit=1&after=${GUID}_1`)).toEqual({
      ...head,
      next: `${GUID}_9`,
      switches: [{ ...row(9, 'leaf-10'), ...value }],
    })
    scene.way.clock.time += 31e6
    expect((await ask('limit=1')).switches).toEqual([{ ...row(1, 'leaf-2'), stale: true }])
    for (const bad of ['limit=0', 'limit=10001', 'pages=1']) expect(await ask(bad)).toMatchObject({ status: 400 })
    expect(await ask('metric=x')).toMatchObject({ status: 404 })
  })
})

describe('GET /api/v1/switches/{id}/metrics', () => {
  async function asked(id: string, query = 'field=v'): Promise<[HistoryQuery, unknown]> {
    const fabric = await FabricScene.open()
    const { scene } = fabric
    await fabric.show(switchesOf(3, 1, 1))
    await fabric.show(ports(1, 1), 'ports')
    let first: HistoryQuery | undefined
    scene.reader.history = async (question) => {
      first ??= question
      return [{ field: 'v', tags: question.tags, points: [[1, 2]] }]
    }
    const answer = await scene.ask(`/api/v1/switches/${encodeURIComponent(id)}/metrics?${query}`)
    return [first!, answer.json()]
  }

  it.each([
    ['sw1', 'field=v', 'switch', { switch: 'sw1', fabric: '' }],
    ['SW1', 'field=v&fabric=default', 'switch', { switch: 'sw1', fabric: '' }],
    ['leaf 1', 'field=v&measurement=fabric_info', 'fabric_info', { switch: 'leaf 1' }],
    [`${GUID}_9`, 'field=v', 'fabric_port', { node_guid: GUID, port_num: '9', fabric: 'ports' }],
    [
      `0x${GUID.toUpperCase()}_9`,
      'field=v&tag=switch=leaf-10',
      'fabric_port',
      { node_guid: GUID, port_num: '9', switch: 'leaf-10', fabric: 'ports' },
    ],
  ])('%s %s', async (id, query, measurement, tags) => {
    const [question, answer] = await asked(id, query)
    expect(question).toMatchObject({ measurement, tags, aggregate: 'mean' })
    expect(Object.keys(question.tags)).toHaveLength(Object.keys(tags).length)
    expect(answer).toMatchObject({ measurement, series: [{ points: [[1, 2]] }] })
  })

  it('is that of one fabric: the one that is asked for, or that shows it, and never of two together', async () => {
    const fabric = await FabricScene.open()
    const { scene } = fabric
    await fabric.show(switchesOf(3, 1, 1), 'a')
    scene.reader.history = async ({ tags }) =>
      [undefined, 'a', 'b'].flatMap((name) => {
        const isAsked = tags.fabric === undefined || tags.fabric === (name ?? '')
        const own = { switch: tags.switch!, ...(name && { fabric: name }) }
        return isAsked && tags.switch === 'sw1' ? [{ field: 'v', tags: own, points: [[1, 2]] }] : []
      })
    const ask = async (query: string, id = 'SW1') =>
      (await scene.ask(`/api/v1/switches/${id}/metrics?field=v&${query}`)).json()
    const fabricsOf = async (query: string) =>
      (await ask(query)).series.map(({ tags }: { tags: { fabric?: string } }) => tags.fabric)
    expect(await fabricsOf('')).toEqual(['a'])
    expect(await fabricsOf('fabric=a')).toEqual(['a'])
    expect(await ask('fabric=c')).toMatchObject({ status: 404 })
    await fabric.show(switchesOf(3, 1, 1))
    expect(await fabricsOf('fabric=default')).toEqual([undefined])
    expect(await ask('')).toMatchObject({
      ...{ status: 400, parameter: 'fabric' },
      detail: 'several fabrics have it: add fabric=, one of a, default',
    })
    expect((await ask('fabric=b', 'sw1')).series).toHaveLength(1)
  })

  it('is empty for a switch that is shown, or has ever had that field, and 404 for another', async () => {
    const fabric = await FabricScene.open()
    const { scene } = fabric
    await fabric.show(switchesOf(3, 1, 1))
    let ever = 0
    scene.reader.history = async ({ startUs, tags }) => {
      if (startUs > 0) return []
      ever++
      return tags.switch === 'gone' ? [{ field: 'v', tags, points: [[1, 2]] }] : []
    }
    const ask = (id: string, query = 'field=v') => scene.ask(`/api/v1/switches/${id}/metrics?${query}`)
    expect((await ask('sw1')).json()).toMatchObject({ switch_id: 'sw1', series: [] })
    expect(ever).toBe(0)
    expect((await ask('gone')).json()).toMatchObject({ switch_id: 'gone', series: [] })
    expect((await ask('sw9')).json()).toMatchObject({
      status: 404,
      detail: 'no sample of a switch or port named "sw9" is kept',
    })
    expect((await ask('sw1', 'field=v&tag=switch=x')).json()).toMatchObject({ status: 400, parameter: 'tag' })
    expect((await ask('sw1', 'measurement=switch')).json()).toMatchObject({ status: 400, parameter: 'field' })
    scene.reader.history = () => Promise.reject(new StoreError('away', 'connect ECONNREFUSED'))
    const away = await ask('sw1')
    expect([away.statusCode, away.headers['retry-after']]).toEqual([503, '5'])
  })
})
