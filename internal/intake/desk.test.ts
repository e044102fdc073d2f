import { beforeEach, describe, expect, it } from 'vitest'
import { packedSeries, packSnappy, type TestSeries } from '../../test/support/remote-write.ts'
import { frameCodec } from '../codec/frame.ts'
import { blankHeader, type Encoder } from '../codec/codec.ts'
import { SeriesTable } from '../sample/series.ts'
import { Desk, type DeskOptions } from './desk.ts'
import { Intake } from './intake.ts'

const NOW_US = Date.UTC(2026, 10, 30) * 1000

/** What arrives, as `measurement,tag=value field=value time`. */
let arrived: string[] = []
let isFull = false

beforeEach(() => {
  arrived = []
  isFull = false
})

function open(options: Partial<DeskOptions> = {}): Desk {
  const publisher = {
    get pendingBytes() {
      return isFull ? 1e9 : 0
    },
    sendDurably: async (encoder: Pick<Encoder, 'finish'>) => {
      const frame = encoder.finish(blankHeader())
      frameCodec.decoder(new SeriesTable()).decode(frame, { receivedAt: 0, tie: 0 }, ({ series, values, at }) => {
        const tags = series.tags.map(([key, value]) => `,${key}=${value}`).join('')
        const fields = series.fieldNames.flatMap((name, i) => {
          const value = values[i]
          return value === undefined || Number.isNaN(value) ? [] : [`${name}=${String(value)}`]
        })
        arrived.push(`${series.measurement}${tags} ${fields.join(',')} ${at / 1000}`)
      })
      return 'broker' as const
    },
  }
  const table = new SeriesTable()
  const intake = new Intake({ publisher, encoder: frameCodec.encoder(), maxHeldBytes: () => 1e8 })
  return new Desk({
    intake,
    table,
    clock: { now: () => NOW_US },
    limits: () => ({ maxLines: 100, maxLineBytes: 10_000 }),
    ...options,
  })
}

const record = {
  ...{ device_id: 'gpu-001', metric: 'temperature', value: 75.5, time: '2025-09-25T10:30:00Z', gpu_id: '0' },
  ...{ uuid: '12345678', model_name: 'NVIDIA RTX 4090', hostname: 'worker-node-1' },
  ...{ container: 'gpu-workload', pod: 'gpu-pod-1', namespace: 'default', labels_raw: 'app=ml-training' },
}
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

describe('readings of GPUs as JSON', () => {
  it('are wide samples of gpu, in either spelling, one or many', async () => {
    const { model_name, hostname, ...rest } = record
    const power = {
      ...rest,
      metric: 'DCGM_FI_DEV_POWER_USAGE',
      value: '300',
      modelName: model_name,
      Hostname: hostname,
    }
    const desk = open()
    expect(await desk.writeTelemetry(json(record))).toMatchObject({ points: 1, durable: 'redis' })
    expect(await desk.writeTelemetry(json([record, power]))).toMatchObject({ points: 2 })
    const wide = arrived.filter((line) => line.startsWith('gpu,'))
    expect(wide).toHaveLength(2)
    expect(wide[1]).toMatch(
      /^gpu,gpu=0,host=worker-node-1,model=NVIDIA RTX 4090,uuid=12345678 .*power_watts=300.* 1758796200000$/,
    )
    expect(arrived.filter((line) => line.startsWith('gpu_info,'))).not.toEqual([])
  })

  it.each<[string, unknown, points: number, reason: RegExp]>([
    ['a record without a metric', [record, { value: 1 }], 1, /does not say which metric/],
    ['a time that is none', [{ ...record, time: 'soon' }], 0, /is no time/],
    ['a value that is none', [record, { ...record, metric: 'x', value: 'abc' }], 1, /abc/],
    ['a number', 7, 0, /neither an object/],
  ])('names %s, and takes the others', async (_what, body, points, reason) => {
    const done = await open().writeTelemetry(json(body))
    expect([done.points, done.refused.count]).toEqual([points, 1])
    expect(done.refused.first[0]?.reason).toMatch(reason)
  })

  it('tells that there is no JSON, that it is too much, and what is older than the store keeps', async () => {
    await expect(open().writeTelemetry(Buffer.from('{'))).rejects.toMatchObject({ kind: 'bad' })
    await expect(open().writeTelemetry(json(Array(101).fill(record)))).rejects.toMatchObject({ kind: 'too_large' })
    const done = await open({ retention: () => ({ ms: 86_400_000, words: '1d' }) }).writeTelemetry(json(record))
    expect([done.points, done.old.first[0]?.reason]).toEqual([0, 'older than the 1d that the store keeps (retention)'])
  })

  it('sends the texts of a GPU again after a request that was not taken', async () => {
    const desk = open()
    isFull = true
    await expect(desk.writeTelemetry(json(record))).rejects.toMatchObject({ kind: 'full' })
    isFull = false
    await desk.writeTelemetry(json(record))
    expect(arrived.some((line) => line.includes('pod=gpu-pod-1'))).toBe(true)
  })
})

describe('readings of GPUs as CSV', () => {
  const header = 'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw'
  const row = (i: number, value = `${40 + (i % 50)}`): string =>
    `2026-11-29T10:00:${String(i % 60).padStart(2, '0')}Z,DCGM_FI_DEV_GPU_TEMP,${Math.floor(i / 60)},nvidia0,GPU-${Math.floor(i / 60)},H100,n1,,,,${value},"a=""b"",c=""d"""`

  async function* parts(text: string, size: number): AsyncGenerator<Buffer> {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }

  it.each([1, 7, 1000, 1_000_000])('are taken as they come, in parts of %i bytes', async (size) => {
    const rows = size === 1 ? 30 : 6000
    const text = [header, ...Array.from({ length: rows }, (_, i) => row(i))].join('\n')
    const done = await open().writeCsv(parts(text, size))
    expect([done.points, done.refused.first]).toEqual([rows, []])
    expect(new Set(arrived.filter((line) => line.startsWith('gpu,'))).size).toBe(rows)
  })

  it('names rows that cannot be read, and takes the others; missing values are neither', async () => {
    const text = [header, row(0), 'a,b', row(1, 'N/A'), row(2, 'abc'), row(3)].join('\n')
    const done = await open().writeCsv(parts(text, 100))
    expect([done.points, done.refused.count]).toEqual([2, 2])
  })

  it('refuses a row without an end', async () => {
    await expect(open().writeCsv(parts(`${header}\n"${'x'.repeat(400_000)}`, 10_000))).rejects.toMatchObject({
      kind: 'too_large',
    })
  })
})

describe('remote write', () => {
  const series = (
    name: string,
    value: number,
    labels: Record<string, string> = {},
    more: Partial<TestSeries> = {},
  ): TestSeries => ({
    ...{
      labels: [['__name__', name], ...Object.entries(labels)],
      samples: [[value, 1_764_500_000_000]],
      histograms: 0,
      exemplars: 0,
    },
    ...more,
  })
  const write = (desk: Desk, some: readonly TestSeries[], version: '1.0' | '2.0' = '1.0') =>
    desk.writeRemote(packSnappy(packedSeries(some, version)), version, 1e6)

  it.each(['1.0', '2.0'] as const)('becomes wide samples of prometheus, and readings of GPUs: %s', async (version) => {
    const labels = { instance: 'a:9100', job: 'node' }
    const gpu = { UUID: 'GPU-1', gpu: '0', Hostname: 'n1', modelName: 'H100' }
    const done = await write(
      open(),
      [
        series('up', 1, labels),
        series('load1', 0.5, labels),
        series('up', 0, { instance: 'b' }),
        series('DCGM_FI_DEV_GPU_TEMP', 61, gpu),
      ],
      version,
    )
    expect(done).toMatchObject({ points: 4, histograms: 0, durable: 'redis' })
    expect(arrived.filter((line) => !line.startsWith('gpu_info')).sort()).toEqual([
      'gpu,gpu=0,host=n1,model=H100,uuid=GPU-1 temperature_celsius=61 1764500000000',
      'prometheus,instance=a:9100,job=node up=1,load1=0.5 1764500000000',
      'prometheus,instance=b up=0 1764500000000',
    ])
  })

  it.each(['1.0', '2.0'] as const)('becomes ports of fabrics, and what is told of them: %s', async (version) => {
    const port = { node_guid: '0xA1', port_num: '1', node_description: 'leaf 1', job: 'ufm', instance: 'u:9001' }
    const done = await write(
      open(),
      [
        series('PortXmitDataExtended', 7, port),
        series('Normalized_CBW', 0.25, port),
        series('PortRcvDataExtended', 0.5, port),
        series('hist0', 1, { ...port, lane: '0' }),
        series('hist1', 1, { ...port, fabric: 'east' }),
      ],
      version,
    )
    expect([done.points, done.refused.first.map(({ text }) => text)]).toEqual([4, ['PortRcvDataExtended']])
    const told = 'node_description=leaf 1,job=ufm,instance=u:9001'
    expect(arrived.toSorted()).toEqual([
      `fabric_info,fabric=east,node_guid=00000000000000a1,port_num=1,switch=leaf 1 ${told} 1764500000000`,
      `fabric_info,node_guid=00000000000000a1,port_num=1,switch=leaf 1 ${told} 1764500000000`,
      'fabric_port,fabric=east,node_guid=00000000000000a1,port_num=1,switch=leaf 1 hist1=1 1764500000000',
      'fabric_port,node_guid=00000000000000a1,port_num=1,switch=leaf 1 PortXmitDataExtended=7,Normalized_CBW=0.25 1764500000000',
      'prometheus,instance=u:9001,job=ufm,lane=0,node_description=leaf 1,node_guid=0xA1,port_num=1 hist0=1 1764500000000',
    ])
  })

  it('names native histograms, takes the rest, and does not count them', async () => {
    const done = await write(open(), [series('up', 1), series('latency', 1, {}, { samples: [], histograms: 2 })], '2.0')
    expect([done.points, done.histograms, done.refused.first]).toEqual([
      1,
      2,
      [{ lineNumber: 0, text: 'latency', reason: 'native histograms are not taken' }],
    ])
  })

  it('names metrics that no store takes, and takes the others', async () => {
    const done = await write(open(), [series('time', 1), series('up', 1), series('up', 2, { time: 'x' })])
    expect([done.points, done.refused.first.map(({ text }) => text)]).toEqual([1, ['time', 'up']])
  })

  it('tells what is no request', async () => {
    const desk = open()
    await expect(desk.writeRemote(Buffer.from('\u0005x'), '1.0', 100)).rejects.toMatchObject({ kind: 'bad' })
    await expect(desk.writeRemote(packSnappy(Buffer.from('xyz')), '1.0', 100)).rejects.toMatchObject({ kind: 'bad' })
    await expect(desk.writeRemote(packSnappy(Buffer.alloc(200)), '1.0', 100)).rejects.toMatchObject({
      kind: 'too_large',
    })
    expect(desk.requests).toEqual(
      new Map([
        ['bad', 2],
        ['too_large', 1],
      ]),
    )
  })
})
