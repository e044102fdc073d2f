import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decode } from '../../codec/codec.contract.ts'
import { blankHeader } from '../../codec/codec.ts'
import { frameCodec } from '../../codec/frame.ts'
import { FrameRowEncoder } from '../../codec/frame-rows.ts'
import { type GpuReading, GpuReadings } from '../../gpu/readings.ts'
import { readingOf } from '../../gpu/rows.ts'
import { MAX_FIELDS } from '../../sample/shape.ts'
import { SeriesTable } from '../../sample/series.ts'
import { TargetError } from '../target-error.ts'
import type { TargetTags } from './destination.ts'
import { encodeGpu } from './gpu-rows.ts'
import { LEFT_OUT_LINES } from './left-out-lines.ts'
import { type Reading, TextReader } from './text-reader.ts'

const NOW_US = 1_763_900_000_000_000
const NOW_MS = NOW_US / 1000
const TAGS: TargetTags = { url: 'http://n1:9100/metrics', host: 'n1' }
const OF_TARGET = 'host=n1,url=http://n1:9100/metrics'

interface Sent {
  readonly series: string
  readonly at: number
  readonly fields: Readonly<Record<string, unknown>>
}

/** A reader, and what a server reads of what it sends. */
class Scene {
  atUs = NOW_US
  sent: Sent[] = []
  readonly badLines: Array<{ reason: string; series: number; text: string }> = []
  readonly gpus: GpuReadings
  readonly reader: TextReader
  readonly #encoder = new FrameRowEncoder()

  constructor({ tags = TAGS, maxSeries = 100_000 }: { tags?: TargetTags; maxSeries?: number } = {}) {
    this.gpus = new GpuReadings({ table: new SeriesTable(), host: tags.host, nowUs: () => this.atUs })
    this.reader = new TextReader({
      tags,
      maxSeries,
      gpus: this.gpus,
      onBad: ({ reason, series, text }) => void this.badLines.push({ reason, series, text: text() }),
      encoder: this.#encoder,
      send: async () => this.#take(),
    })
  }

  async read(...lines: readonly string[]): Promise<Reading> {
    this.sent = []
    const reading = await this.reader.read(Buffer.from(lines.map((line) => `${line}\n`).join('')), this.atUs)
    this.gpus.flush((sample) => expect(encodeGpu(sample, this.#encoder)).toBe(true))
    if (this.#encoder.count > 0) this.#take()
    return reading
  }

  get leftOut(): Record<string, number> {
    return Object.fromEntries([...this.reader.leftOut].filter(([, count]) => count > 0))
  }

  #take(): void {
    const frame = this.#encoder.finish({ ...blankHeader(), run: 'r', sentAt: this.atUs })
    const { seen, refusal } = decode(frameCodec.decoder(new SeriesTable()), frame)
    expect(refusal).toBeUndefined()
    this.sent.push(...seen.map(({ series, at, fields }) => ({ series: named(series), at, fields })))
  }
}

function named(key: string): string {
  return key.replaceAll('\0', ',').replaceAll('\u0001', '=')
}

describe('lines of any exporter', () => {
  it('are one sample for each set of labels, with the name of the metric as the field', async () => {
    const scene = new Scene()
    const reading = await scene.read(
      '# TYPE node_load1 gauge',
      'node_load1 0.5',
      'node_network_up{device="eth0"} 1',
      'node_network_up{device="lo"} 0',
      '# TYPE node_network_mtu_bytes gauge',
      'node_network_mtu_bytes{device="eth0"} 1500',
      'node_boot_time_seconds 1.7639e+09',
      'rpc_seconds_bucket{le="0.5"} 3',
      'rpc_seconds_bucket{le="+Inf"} 4',
      'rpc_seconds_sum 1.5',
    )
    expect(scene.sent).toEqual([
      { series: `prometheus,${OF_TARGET}`, at: NOW_US, fields: { node_load1: 0.5, node_boot_time_seconds: 1.7639e9, rpc_seconds_sum: 1.5 } },
      { series: `prometheus,device=eth0,${OF_TARGET}`, at: NOW_US, fields: { node_network_up: 1, node_network_mtu_bytes: 1500 } },
      { series: `prometheus,device=lo,${OF_TARGET}`, at: NOW_US, fields: { node_network_up: 0 } },
      { series: `prometheus,host=n1,le=0.5,url=http://n1:9100/metrics`, at: NOW_US, fields: { rpc_seconds_bucket: 3 } },
      { series: `prometheus,host=n1,le=+Inf,url=http://n1:9100/metrics`, at: NOW_US, fields: { rpc_seconds_bucket: 4 } },
    ])
    expect(reading).toEqual({ lines: 8, values: 8, missing: 0, bad: 0, firstBad: '' })
  }) // biome-ignore format: a line a sample

  it('have the tags of their target, except where a label says it', async () => {
    const scene = new Scene({ tags: { url: 'u', target: 'db', host: 'n1' } })
    await scene.read('a{host="n7"} 1', 'a{host=""} 2', 'a{url="x",target="y"} 3')
    expect(scene.sent.map(({ series }) => series)).toEqual([
      ...[
        'prometheus,host=n7,target=db,url=u',
        'prometheus,host=n1,target=db,url=u',
        'prometheus,host=n1,target=y,url=x',
      ],
    ])
  })

  it('keep the times that they say, and those of one time are one sample', async () => {
    const scene = new Scene()
    await scene.read('a 1 1000', 'b 2 1000', 'a 3 2000', 'c 4', 'b 5 2000')
    const series = `prometheus,${OF_TARGET}`
    expect(scene.sent).toEqual([
      { series, at: 1_000_000, fields: { a: 1, b: 2 } },
      { series, at: 2_000_000, fields: { a: 3 } },
      { series, at: NOW_US, fields: { c: 4 } },
      { series, at: 2_000_000, fields: { b: 5 } },
    ])
  })

  it('are new readings each time, with what came and what did not', async () => {
    const scene = new Scene()
    await scene.read('a 1', 'b{x="1"} 2')
    scene.atUs += 1e6
    await scene.read('b{x="1"} 2', 'a 1', 'c 3')
    expect(scene.sent).toEqual([
      { series: `prometheus,${OF_TARGET},x=1`, at: scene.atUs, fields: { b: 2 } },
      { series: `prometheus,${OF_TARGET}`, at: scene.atUs, fields: { a: 1, c: 3 } },
    ])
    scene.atUs += 1e6
    await scene.read('c 4')
    expect(scene.sent).toEqual([{ series: `prometheus,${OF_TARGET}`, at: scene.atUs, fields: { c: 4 } }])
  })

  it.each([
    ['no samples', ['# TYPE a gauge', '# EOF']],
    ['nothing', ['']],
  ])('%s is an answer too', async (_, lines) => {
    const scene = new Scene()
    expect(await scene.read(...lines)).toEqual({ lines: 0, values: 0, missing: 0, bad: 0, firstBad: '' })
    expect(scene.sent).toEqual([])
  })
})

describe('lines that give no value', () => {
  const MORE = Array.from({ length: MAX_FIELDS + 1 }, (_, i) => `metric_${i} ${i}`)
  it.each<[string, string[], Record<string, number>, number]>([
    ['NaN, which is a stale marker too', ['a NaN', 'b 1'], { not_a_number: 1 }, 1],
    ['infinite', ['a +Inf', 'a{b="c"} -Inf'], { infinite: 2 }, 0],
    ['that stand twice: the first one counts', ['a 1', 'a 2', 'a{b=""} 3'], { twice: 2 }, 1],
    ['a label twice', ['a{b="1",b="2"} 1', 'a 1'], { labels: 1 }, 1],
    ['a tag that no store takes', ['a{time="1"} 1', 'b{_field="x"} 1', 'a 1'], { bad_series: 2 }, 1],
    ['too long a name', [`${'n'.repeat(300)} 1`, 'a 1'], { bad_series: 1 }, 1],
    ['more fields than a series has', MORE, { too_many_fields: 1 }, MAX_FIELDS],
    ['a counter of a port that is no integer', ['hist0{node_guid="1",port_num="1"} 1.5', 'hist1{node_guid="1",port_num="1"} 15e1'], { not_whole: 1 }, 1],
    ['cannot be read', ['a "1" 2', 'my-metric 1', 'b x', 'c 1 x', 'd 1'], { name: 1, value: 2, timestamp: 1 }, 1],
  ])('%s', async (_, lines, leftOut, values) => {
    const scene = new Scene()
    for (const times of [1, 2]) {
      const reading = await scene.read(...lines)
      expect(reading).toMatchObject({ lines: lines.length, values })
      expect(reading.values + reading.missing + reading.bad).toBe(lines.length)
      const total = Object.fromEntries(Object.entries(leftOut).map(([reason, count]) => [reason, count * times]))
      expect(scene.leftOut).toEqual(total)
      expect(scene.sent.flatMap(({ fields }) => Object.keys(fields))).toHaveLength(values)
    }
  }) // biome-ignore format: a row a case

  it('are shown: the first that is bad, with its number, cut', async () => {
    const scene = new Scene()
    const { firstBad } = await scene.read('# x', 'a 1', 'b NaN', `pod{a="${'é'.repeat(200)}" "} 1`, 'c x')
    expect(firstBad).toBe(`line 4 (labels): pod{a="${'é'.repeat(113)}…`)
  })

  it('of series beyond the bound are left out, until others are gone', async () => {
    const scene = new Scene({ maxSeries: 2 })
    expect(await scene.read('a 1', 'b 1', 'c 1')).toMatchObject({ values: 2, bad: 1 })
    expect(await scene.read('c 1', 'a 1', 'b 1')).toMatchObject({ values: 2, bad: 1 })
    expect(scene.sent[0]!.fields).toEqual({ a: 1, b: 1 })
    // Only after an answer it is known which lines are gone.
    expect(await scene.read('c 1')).toMatchObject({ values: 0, bad: 1 })
    expect(await scene.read('c 2', 'd 3')).toMatchObject({ values: 2, bad: 0 })
    expect(scene.leftOut).toEqual({ too_many_series: 3 })
  })
})

describe('an answer that is not taken', () => {
  it.each([
    ['a last line without an end', 'a 1\nb 2', 'cut_off', 'it was cut off: its last line has no end'],
    ['a page', '<html>\n<p>Log in</p>\n', 'not_metrics', 'none of its 2 lines can be read: line 1 (name): <html>'],
  ])('%s', async (_, text, problem, message) => {
    const scene = new Scene()
    await scene.read('a 7')
    scene.sent = []
    const reading = scene.reader.read(Buffer.from(text), NOW_US)
    await expect(reading).rejects.toEqual(new TargetError(problem as 'cut_off', message))
    expect(scene.sent).toEqual([])
    expect((await scene.read('a 8')).values).toBe(1)
    expect(scene.sent[0]!.fields).toEqual({ a: 8 })
  })
})

describe('lines of ports', () => {
  it('have the tags and the kinds of the rows of a fabric', async () => {
    const scene = new Scene({ tags: { ...TAGS, fabric: 'east' } })
    const labels = 'source="0xb83fd20000000001", node_guid="0xb83fd2", port_guid="0xb83fd3", port_num="2"'
    await scene.read(
      '# TYPE PortXmitDataExtended counter',
      '# TYPE Normalized_CBW gauge',
      `PortXmitDataExtended{${labels}} 9007199254740993 ${NOW_MS}`,
      `PortRcvDataExtended{${labels}} -5 ${NOW_MS}`,
      `SymbolErrorCounterExtended{${labels}} 9223372036854775807 ${NOW_MS}`,
      `PortXmitWaitExtended{${labels}} -9007199254740993 ${NOW_MS}`,
      `hist0{${labels}} 4294967296 ${NOW_MS}`,
      `Normalized_CBW{${labels}} 0.25 ${NOW_MS}`,
    )
    expect(scene.sent).toEqual([
      {
        series: 'fabric_port,fabric=east,node_guid=0000000000b83fd2,port_num=2',
        at: NOW_US,
        fields: {
          PortXmitDataExtended: 9_007_199_254_740_993n,
          PortRcvDataExtended: -5,
          SymbolErrorCounterExtended: 9_223_372_036_854_775_807n,
          PortXmitWaitExtended: -9_007_199_254_740_993n,
          hist0: 4_294_967_296,
          Normalized_CBW: 0.25,
        },
      },
      {
        series: 'fabric_info,fabric=east,node_guid=0000000000b83fd2,port_num=2',
        at: NOW_US,
        fields: { source: '0xb83fd20000000001', port_guid: '0xb83fd3' },
      },
    ])
  })

  it('tell of their port when that is new, when it has changed, and once in 10 minutes', async () => {
    const scene = new Scene({ tags: { ...TAGS, fabric: 'east' } })
    const line = (label: string, metric = 'hist0'): string =>
      `${metric}{node_guid="0xA1",port_num="1",port_label="${label}"} 1`
    const told = async (minutes: number, ...lines: string[]): Promise<unknown[]> => {
      scene.atUs = NOW_US + minutes * 60e6
      await scene.read(...lines)
      return scene.sent
        .filter(({ series }) => series.startsWith('fabric_info'))
        .map(({ fields, at }) => [fields.port_label, (at - NOW_US) / 60e6])
    }
    expect(await told(0, line('a'), line('a', 'hist1'))).toEqual([['a', 0]])
    expect(await told(1, line('a'))).toEqual([])
    expect(await told(2, line('b'))).toEqual([['b', 2]])
    expect(await told(11, line('b'))).toEqual([])
    expect(await told(12, line('b'))).toEqual([['b', 12]])
    expect(await told(13, 'hist0{node_guid="0xA1",port_num="1"} 1')).toEqual([])
    expect(await told(23, 'other 1')).toEqual([])
  })

  it('are of the fabric that a label names', async () => {
    const scene = new Scene({ tags: { ...TAGS, fabric: 'east' } })
    await scene.read('hist0{node_guid="0xA1",port_num="1",fabric="west"} 1')
    expect(scene.sent.map(({ series }) => series)).toEqual([
      'fabric_port,fabric=west,node_guid=00000000000000a1,port_num=1',
    ])
  })

  it('have the first description of their node as the switch, and stay apart where a label names a part of a port', async () => {
    const scene = new Scene()
    await scene.read(
      'hist0{Node_GUID="0xA1",Port_Number="1",node_description="leaf 1"} 1',
      'hist0{Node_GUID="0xA1",Port_Number="2",node_description="leaf 9"} 2',
      'hist0{node_guid="0xA1",port_num="3",lane="0"} 3',
      'hist0{node_guid="0xA1",port_num=""} 4',
    )
    const isInfo = (series: string): boolean => series.startsWith('fabric_info')
    expect(scene.sent.filter(({ series }) => isInfo(series)).map(({ fields }) => fields)).toEqual([
      { node_description: 'leaf 1' },
      { node_description: 'leaf 9' },
    ])
    expect(scene.sent.map(({ series }) => series).filter((series) => !isInfo(series))).toEqual([
      'fabric_port,node_guid=00000000000000a1,port_num=1,switch=leaf 1',
      'fabric_port,node_guid=00000000000000a1,port_num=2,switch=leaf 1',
      'prometheus,host=n1,lane=0,node_guid=0xA1,port_num=3,url=http://n1:9100/metrics',
      'prometheus,host=n1,node_guid=0xA1,url=http://n1:9100/metrics',
    ])
  })
})

describe('lines of GPUs', () => {
  const labels = 'gpu="0",UUID="GPU-1",device="nvidia0",modelName="H200",Hostname="w1"'

  it('are one sample of the measurement gpu, and values that are none are not stored', async () => {
    const scene = new Scene()
    const lines = [
      '# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).',
      `DCGM_FI_DEV_GPU_UTIL{${labels}} 97`,
      `DCGM_FI_DEV_FB_USED{${labels}} 2`,
      `DCGM_FI_DEV_XID_ERRORS{${labels}} 9223372036854775794`,
      `DCGM_FI_DEV_MEM_COPY_UTIL{${labels}} 4294967295`,
      `DCGM_FI_DEV_GPU_TEMP{modelName="unescaped "quotes"",${labels}} 50`,
    ]
    for (let i = 0; i < 2; i++) {
      const reading = await scene.read(...lines)
      expect(reading).toMatchObject({ lines: 5, values: 2, missing: 1, bad: 2 })
      expect(scene.sent.find(({ series }) => series.startsWith('gpu,'))).toEqual({
        series: 'gpu,gpu=0,host=w1,model=H200,uuid=GPU-1',
        at: scene.atUs,
        fields: { utilization_percent: 97, memory_used_bytes: 2 * 2 ** 20 },
      })
      scene.atUs += 1e6
    }
    expect(scene.leftOut).toEqual({ gpu_missing: 2, gpu_refused: 2, labels: 2 })
    expect(scene.gpus.counts).toMatchObject({ read: 8, taken: 4, missing: 2 })
    const [refused, unreadable, ...again] = scene.badLines
    expect([refused!.reason, unreadable!.reason, unreadable!.text]).toEqual(['out_of_range', 'labels', lines[5]])
    // What is kept of a reading is understood as a message, and refused for the same reason.
    const [row] = JSON.parse(refused!.text) as unknown[]
    expect(scene.gpus.add(readingOf(row, 0) as GpuReading)).toMatchObject({ reason: 'out_of_range' })
    expect(again.map(({ series }) => series)).toEqual([refused!.series, unreadable!.series])
  })

  it('have the unit that HELP says now, also where it said another one before', async () => {
    const scene = new Scene()
    const line = `DCGM_FI_DEV_GPU_UTIL_RATIO{${labels}} 0.5`
    const utilization = (): unknown => scene.sent[0]!.fields.utilization_percent
    await scene.read('# HELP DCGM_FI_DEV_GPU_UTIL_RATIO GPU utilization (in %).', line)
    expect(utilization()).toBe(0.5)
    await scene.read('# HELP DCGM_FI_DEV_GPU_UTIL_RATIO GPU utilization ratio (0.0-1.0).', line)
    expect(utilization()).toBe(50)
  })

  it('have what tells of them as texts, beside it', async () => {
    const scene = new Scene()
    await scene.read('DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",pod="train-é",namespace="n"} 5')
    expect(scene.sent).toEqual([
      { series: 'gpu,gpu=0,host=n1,uuid=GPU-1', at: NOW_US, fields: { utilization_percent: 5 } },
      { series: 'gpu_info,gpu=0,host=n1,uuid=GPU-1', at: NOW_US, fields: { pod: 'train-é', namespace: 'n' } },
    ])
  })

  it('without a host are of the host of their target', async () => {
    const scene = new Scene()
    await scene.read('DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1"} 5')
    expect(scene.sent[0]!.series).toBe('gpu,gpu=0,host=n1,uuid=GPU-1')
  })
})

describe('any lines', () => {
  it('end in exactly one count each, and each value is sent once, whatever came before', async () => {
    const value = fc.oneof(fc.double(), fc.constantFrom('NaN', '+Inf', 'x', '1'))
    const line = fc
      .tuple(fc.constantFrom('a', 'b', 'c', 'hist0', '9'), fc.constantFrom('', '{x="1"}', '{x="2",y="3"}', '{node_guid="1",port_num="2"}', '{'), value, fc.constantFrom('', ' 1000', ' 2000')) // biome-ignore format: one line
      .map(([name, labels, number, time]) => `${name}${labels} ${number}${time}`)
    const answers = fc.array(fc.array(line, { maxLength: 20 }), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(answers, async (all) => {
        const scene = new Scene()
        for (const lines of all) {
          scene.atUs += 1e6
          const reading = await scene.read(...lines).catch((error: unknown) => {
            if (error instanceof TargetError) return undefined
            throw error
          })
          if (reading === undefined) continue
          expect(reading.lines).toBe(lines.length)
          expect(reading.values + reading.missing + reading.bad).toBe(lines.length)
          const sent = scene.sent.flatMap(({ series, at, fields }) =>
            Object.keys(fields).map((name) => `${series} ${at} ${name}`),
          )
          expect([sent.length, new Set(sent).size]).toEqual([reading.values, new Set(sent).size])
        }
        expect([...scene.reader.leftOut.keys()]).toEqual([...LEFT_OUT_LINES])
      }),
      { numRuns: 500 },
    )
  })
})
