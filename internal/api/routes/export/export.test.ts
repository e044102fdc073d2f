import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiScene } from '../../../../test/support/api-scene.ts'
import { SampleMaker } from '../../../../test/support/live-feed.ts'
import type { FieldValue } from '../../../sample/value.ts'
import { type DuckDbStore, openDuckDb } from '../../../store/duckdb/open.ts'
import { StoreError } from '../../../store/store.ts'

const T = Date.UTC(2026, 0, 10, 12) * 1000
const A = { host: 'n1', uuid: 'GPU-a', gpu: '0' }
const PORT = { node_guid: '0002c903000e0b72', port_num: '7' }

let folder: string
let store: DuckDbStore
let scene: ApiScene
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-export-test-'))
  const clock = { now: () => T + 3_600e6 }
  store = await openDuckDb({
    ...{ path: join(folder, 't.duckdb'), retentionMs: 10 * 86_400_000, clock, logger: pino({ enabled: false }) },
  })
  const maker = new SampleMaker()
  const batch = store.writer.openBatch()
  const add = (
    measurement: string,
    tags: Record<string, string>,
    fields: Record<string, FieldValue>,
    s: number,
  ): void => {
    expect(batch.add(maker.sample(measurement, tags, fields, T + s * 1e6))).toBeUndefined()
  }
  add('odd', { host: 'a,b', Time: '"x"' }, { time_ns: 1.5, 'say "hi"': 'two\nlines, "quoted"', host: -3n }, 0)
  add('odd', { host: 'c' }, { time_ns: 2, ok: true }, 1.5)
  add('odd', { host: 'c' }, { time_ns: 3 }, 90)
  for (let s = 0; s < 12_000; s++) add('many', { host: 'h' }, { v: s }, Math.floor(s / 4))
  for (const [s, xid] of [
    [0, 0],
    [60, 0],
    [120, 31],
    [180, 31],
    [240, 79],
  ] as const)
    add('gpu', A, { xid, DCGM_EXP_XID_ERRORS_COUNT_xid_13: s < 200 ? 0 : 1 }, s)
  // Xid 31 comes three times, of which its last one shows the first alone; then another exporter forgets it, and it comes again.
  const b = { host: 'n2', uuid: 'GPU-b', gpu: '0' }
  for (const [s, xid, count] of [
    [0, 0, 0],
    [10, 31, 0],
    [20, 31, 1],
    [30, 31, 3],
    [40, 0, 0],
    [50, 31, 1],
  ] as const)
    add('gpu', b, { xid, DCGM_EXP_XID_ERRORS_COUNT_xid_31: count }, s)
  for (const [s, n] of [
    [0, 3],
    [60, 3],
    [120, 5],
    [180, 0],
    [240, 1],
  ] as const)
    add('fabric_port', PORT, { LinkDownedCounterExtended: n }, s)
  for (const [s, uptime] of [
    [0, 5000],
    [60, 5060],
    [120, 12],
  ] as const)
    add('system', { host: 'n1' }, { uptime }, s)
  // The clock of n3 is set ahead by a minute; once it reads its uptime late. That of n4 is set back, so that times have two samples.
  for (const [s, uptime] of [
    [0, 100],
    [10, 113],
    [20, 120],
    [90, 130],
    [100, 140],
  ] as const)
    add('system', { host: 'n3' }, { uptime }, s)
  for (let s = 0; s <= 100; s += 10) add('system', { host: 'n4' }, { uptime: 1000 + s }, s)
  for (let s = 50; s <= 150; s += 10) add('system', { host: 'n4' }, { uptime: 1060 + s }, s)
  for (const [s, produced] of [
    [0, 900],
    [60, 950],
    [180, 4],
  ] as const)
    add('sentinel_pipeline', { host: 'n1', role: 'agent' }, { produced }, s)
  const result = await store.writer.write(batch, new AbortController().signal)
  expect(result).toEqual({ next: 'ack', rejected: [] })
  scene = await ApiScene.open({ reader: store.reader, clock })
})
afterAll(async () => {
  await scene?.app.close()
  await store?.close()
  await rm(folder, { recursive: true, force: true })
})

const RANGE = `start=${T}&end=${T + 3_600e6}`

describe('GET /api/v1/query/export', () => {
  it('writes CSV with a column for each tag and field', async () => {
    const answer = await scene.ask(`/api/v1/query/export?format=csv&measurement=odd&${RANGE}`)
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8')
    expect(answer.headers['content-disposition']).toBe('attachment; filename="odd.csv"')
    expect(answer.body).toBe(
      [
        'time,Time,host,host,ok,"say ""hi""",time_ns',
        '2026-01-10T12:00:00Z,"""x""","a,b",-3,,"two\nlines, ""quoted""",1.5',
        '2026-01-10T12:00:01.5Z,,c,,true,,2',
        '2026-01-10T12:01:30Z,,c,,,,3',
        '',
      ].join('\n'),
    )
    const some = await scene.ask(`/api/v1/query/export?format=csv&measurement=odd&${RANGE}&field=ok&tag=host=c`)
    expect(some.body).toBe('time,Time,host,ok\n2026-01-10T12:00:01.5Z,,c,true\n')
  })

  it('writes line protocol, which a store takes again', async () => {
    const answer = await scene.ask(`/api/v1/query/export?format=lp&measurement=odd&${RANGE}`)
    const at = (s: number): string => `${T + s * 1e6}000`
    expect(answer.body).toBe(
      [
        `odd,Time="x",host=a\\,b time_ns=1.5,say\\ "hi"="two\nlines, \\"quoted\\"",host=-3i ${at(0)}`,
        `odd,host=c time_ns=2,ok=true ${at(1.5)}`,
        `odd,host=c time_ns=3 ${at(90)}`,
        '',
      ].join('\n'),
    )
  })

  it('writes each of many samples once, in the order of their times', async () => {
    const answer = await scene.ask(`/api/v1/query/export?format=csv&measurement=many&start=0&end=now`)
    const lines = answer.body.trimEnd().split('\n').slice(1)
    expect(lines.length).toBe(3_000)
    expect(lines.map((line) => line.split(',')[0])).toEqual(lines.map((line) => line.split(',')[0]).sort())
    expect(new Set(lines).size).toBe(3_000)
  })

  it('writes Parquet with all names, and leaves no file behind', async () => {
    const answer = await scene.ask(`/api/v1/query/export?format=parquet&measurement=odd&${RANGE}`)
    expect(answer.headers['content-type']).toBe('application/vnd.apache.parquet')
    const path = join(folder, "it's.parquet")
    await writeFile(path, answer.rawPayload)
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    const read = await connection.runAndReadAll(`SELECT * FROM '${path.replaceAll("'", "''")}' ORDER BY time`)
    expect(read.columnNames()).toEqual(['time', 'Time_1', 'host', 'time_ns', 'say "hi"', 'host_1', 'ok'])
    expect(read.getRowsJson().map((row) => row.slice(1))).toEqual([
      ['"x"', 'a,b', 1.5, 'two\nlines, "quoted"', '-3', null],
      [null, 'c', 2, null, null, true],
      [null, 'c', 3, null, null, null],
    ])
    const times = await connection.runAndReadAll(
      `SELECT epoch_us(time) FROM '${path.replaceAll("'", "''")}' ORDER BY 1`,
    )
    expect(times.getRows().flat()).toEqual([0, 1.5, 90].map((s) => BigInt(T + s * 1e6)))
    connection.closeSync()
    expect((await readdir(tmpdir())).filter((name) => /^sentinel-export-(?!test)/.test(name))).toEqual([])
  })

  it('refuses what it cannot write', async () => {
    const ask = async (query: string): Promise<unknown[]> => {
      const answer = await scene.ask(`/api/v1/query/export?${query}`)
      return [answer.statusCode, answer.json().parameter]
    }
    expect(await ask('format=xml&measurement=odd')).toEqual([400, 'format'])
    expect(await ask('format=csv')).toEqual([400, 'measurement'])
    expect(await ask('format=csv&measurement=odd&start=x')).toEqual([400, 'start'])
    expect(await ask('format=csv&measurement=odd&tag=x')).toEqual([400, 'tag'])
    expect(await ask("format=parquet&measurement=odd'; DROP TABLE days; --")).toEqual([404, undefined])
    const other = await ApiScene.open()
    const answer = await other.ask('/api/v1/query/export?format=parquet&measurement=odd')
    expect([answer.statusCode, answer.json().detail]).toEqual([
      501,
      'this store writes no Parquet: DuckDB does, which `sentinel up` has without INFLUX_URL; ask for format=csv or format=lp',
    ])
    other.reader.fieldKinds = () => Promise.reject(new StoreError('away', 'ECONNREFUSED'))
    // As often as there is room for: what failed leaves its place.
    for (let i = 0; i < 3; i++)
      expect((await other.ask('/api/v1/query/export?format=csv&measurement=odd')).statusCode).toBe(503)
  })
})

describe('GET /api/v1/events', () => {
  const ask = async (query: string): Promise<unknown[]> => {
    const answer = (await scene.ask(`/api/v1/events?${query}&${RANGE}`)).json()
    expect(answer).toMatchObject({ start: T, end: T + 3_600e6, everyMs: 2000, truncated: false })
    return answer.events.map(({ at, kind, value, host, gpu, switch: id, text }: Record<string, unknown>) => [
      ...[(Number(at) - T) / 1e6, kind, value, host ?? gpu ?? id, text],
    ])
  }
  const XIDS = [
    [120, 'xid', 31, 'n1', 'Xid 31: GPU memory page fault'],
    [240, 'xid', 79, 'n1', 'Xid 79: GPU has fallen off the bus'],
    [240, 'xid', 13, 'n1', 'Xid 13: graphics engine exception'],
  ]

  it('finds new Xid errors of a GPU, and of all of a host, with its restarts', async () => {
    expect(await ask('gpu=GPU-a')).toEqual(XIDS)
    const [first, ...others] = XIDS
    expect(await ask('host=n1')).toEqual([
      first,
      [120, 'host_restart', null, 'n1', 'the host was started again'],
      [180, 'agent_restart', null, 'n1', 'the agent was started again'],
      ...others,
    ])
    expect(await ask('host=n1&kind=agent_restart')).toHaveLength(1)
    expect(await ask('gpu=GPU-x')).toEqual([])
    expect(await ask('host=n9')).toEqual([])
  })

  it('finds the same Xid again, where a count tells of it', async () => {
    const text = 'Xid 31: GPU memory page fault'
    expect(await ask('gpu=GPU-b')).toEqual([
      [10, 'xid', 31, 'n2', text],
      [30, 'xid', 31, 'n2', `${text}, 2 times`],
      [50, 'xid', 31, 'n2', text],
    ])
  })

  it('finds clocks that were set', async () => {
    expect(await ask('host=n3')).toEqual([[90, 'clock_step', 60, 'n3', 'the clock was set ahead by about 1 min']])
    expect(await ask('host=n4')).toEqual([[50, 'clock_step', -60, 'n4', 'the clock was set back by about 1 min']])
    expect(await ask('host=n4&kind=host_restart,xid')).toEqual([])
  })

  it('finds links that went down, and not counters that were cleared', async () => {
    expect(await ask('switch=0002c903000e0b72_7')).toEqual([
      [120, 'link_down', 2, '0002c903000e0b72_7', 'the link of port 7 went down, 2 times'],
      [240, 'link_down', 1, '0002c903000e0b72_7', 'the link of port 7 went down'],
    ])
  })

  it('gives the newest, and refuses what it cannot use', async () => {
    const { truncated, events } = (await scene.ask(`/api/v1/events?gpu=GPU-a&limit=1&${RANGE}`)).json()
    expect([truncated, events.length, events[0].value]).toEqual([true, 1, 13])
    for (const [query, parameter] of [
      ['', 'host'],
      ['host=n1&kind=fire', 'kind'],
      ['host=n1&start=x', 'start'],
    ]) {
      expect((await scene.ask(`/api/v1/events?${query}`)).json()).toMatchObject({ status: 400, parameter })
    }
  })
})
