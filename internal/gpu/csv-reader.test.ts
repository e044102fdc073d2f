import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Refusal } from '../sample/border.ts'
import { SeriesTable } from '../sample/series.ts'
import { GpuCsvReader, type GpuCsvReaderOptions } from './csv-reader.ts'
import { GpuReadings } from './readings.ts'
import { readingOf } from './rows.ts'

const HEADER = 'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw'
const AT = Date.parse('2025-07-18T20:42:34Z') * 1000

function read(text: string, options: Partial<GpuCsvReaderOptions> = {}) {
  const readings = new GpuReadings({ table: new SeriesTable() })
  const refused: Array<[Refusal['reason'], string]> = []
  const reader = new GpuCsvReader({
    readings,
    onRefused: ({ reason }, row) => refused.push([reason, row()]),
    ...options,
  })
  reader.begin(Buffer.from(text))
  while (reader.next());
  const stored: unknown[] = []
  readings.flush(({ series, values, at }) => {
    const fields = series.fieldNames.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]]))
    stored.push([series.measurement, Object.fromEntries(series.tags), Object.fromEntries(fields), (at - AT) / 1e6])
  })
  return { stored, refused, counts: readings.counts, reader }
}

const tags = { gpu: '0', uuid: 'GPU-1', model: 'NVIDIA H100', host: 'n1' }
const row = (seconds: number, metric: string, value: string, labels = '"a=""1"",b=""x,y"""'): string =>
  `2025-07-18T20:42:${34 + seconds}Z,${metric},0,nvidia0,GPU-1,NVIDIA H100,n1,c,p,ns,${value},${labels}\n`
const info = [
  ...['gpu_info', tags],
  { device: 'nvidia0', container: 'c', pod: 'p', namespace: 'ns', labels_raw: 'a="1",b="x,y"' },
]

describe('GpuCsvReader', () => {
  it.each([
    ['with a header', `${HEADER}\n`],
    ['with a byte order mark', `\ufeff${HEADER}\n`],
    ['with CRLF', `${HEADER}\r\n`],
    ['without a header', ''],
  ])('reads rows %s', (_, header) => {
    const text = `${header}${row(0, 'DCGM_FI_DEV_GPU_UTIL', '57')}${row(0, 'DCGM_FI_DEV_POWER_USAGE', '70.5')}${row(1, 'DCGM_FI_DEV_GPU_UTIL', '58')}`
    const { stored, counts } = read(header.endsWith('\r\n') ? text.replaceAll(/(?<!\r)\n/g, '\r\n') : text)
    expect(stored).toEqual([
      ['gpu', tags, { utilization_percent: 57, power_watts: 70.5 }, 0],
      [...info, 0],
      ['gpu', tags, { utilization_percent: 58 }, 1],
    ])
    expect(counts).toMatchObject({ read: 3, taken: 3 })
  })

  it('takes the columns in the order of each header', () => {
    const text = `${HEADER}\n${row(0, 'DCGM_FI_DEV_GPU_UTIL', '57')}value,uuid,metric,time,rack\n58,GPU-1,DCGM_FI_DEV_GPU_UTIL,1752871355,r7\n`
    const { stored, reader } = read(text)
    expect(stored).toMatchObject([
      ['gpu', tags, { utilization_percent: 57 }, 0],
      [...info, 0],
      ['gpu', { uuid: 'GPU-1' }, { utilization_percent: 58 }, 1],
      ['gpu_info', { uuid: 'GPU-1' }, { rack: 'r7' }, 1],
    ])
    expect(reader.header).toEqual(['value', 'uuid', 'metric', 'time', 'rack'])
  })

  it('goes on with the header of the text before', () => {
    const header = ['time', 'metric', 'uuid', 'value']
    expect(read('1752871354,DCGM_FI_DEV_GPU_UTIL,GPU-1,5\n', { header }).stored).toEqual([
      ['gpu', { uuid: 'GPU-1' }, { utilization_percent: 5 }, 0],
    ])
  })

  it('gives rows another time', () => {
    const stamp = ({ atUs, tie }: { atUs: number; tie: number }) => ({ atUs: atUs + 60e6, tie })
    const { stored, reader } = read(row(0, 'DCGM_FI_DEV_GPU_UTIL', '57'), { stamp })
    expect(stored).toEqual([
      ['gpu', tags, { utilization_percent: 57 }, 60],
      [...info, 60],
    ])
    expect(reader.recordedUs).toBe(AT)
  })

  it('refuses each bad row with its reason, and takes those around it', () => {
    const good = row(0, 'DCGM_FI_DEV_GPU_UTIL', '57')
    const bad: Array<[Refusal['reason'], string]> = [
      ['row_syntax', 'too,few,cells\n'],
      ['row_syntax', good.replace('"\n', '",more\n')],
      ['row_syntax', good.replace('"\n', '\n')],
      ['time_syntax', good.replace('2025-07-18T20:42:34Z', 'yesterday')],
      ['not_a_number', row(0, 'DCGM_FI_DEV_XID_ERRORS', 'ERROR - FAILED TO CONVERT TO STRING')],
      ['out_of_range', row(0, 'DCGM_FI_DEV_ENC_UTIL', '4294967295')],
      ['no_gpu', row(0, 'DCGM_FI_DEV_GPU_UTIL', '57').replace('GPU-1', '').replace(',0,', ',,')],
      ['value_conflict', row(0, 'DCGM_FI_DEV_GPU_UTIL', '58')],
      ['bad_name', row(0, '', '58')],
    ]
    const { refused, counts } = read(
      `${HEADER}\n${good}${bad.map(([, line]) => line).join('')}${row(0, 'DCGM_FI_DEV_DEC_UTIL', 'N/A')}${row(1, 'X', '1')}`,
    )
    expect(refused.map(([reason]) => reason)).toEqual(bad.map(([reason]) => reason))
    expect(counts).toMatchObject({ read: bad.length + 3, taken: 2, missing: 1 })
  })

  it('says a refused row so that it can be sent again', () => {
    const { refused } = read(row(0, 'DCGM_FI_DEV_ENC_UTIL', '4294967295'))
    const [again] = JSON.parse(refused[0]![1]) as unknown[]
    expect(readingOf(again, 0)).toMatchObject({ metric: 'DCGM_FI_DEV_ENC_UTIL', value: '4294967295', atUs: AT })
  })

  it('stores what a reader stores that takes a row after the other by its names', () => {
    const cell = fc.constantFrom('', '0', 'x', 'a,b', '"', 'N/A', 'GPU-1')
    const rows = fc.array(
      fc.record({
        time: fc.constantFrom('1752871354', '2025-07-18T20:42:35Z', 'never', ''),
        metric: fc.constantFrom('DCGM_FI_DEV_GPU_UTIL', 'DCGM_FI_DEV_FB_USED', 'own', ''),
        uuid: cell,
        pod: cell,
        value: fc.constantFrom('5', '7.25', '1000', 'N/A', '', 'x', '1e3'),
      }),
    )
    fc.assert(
      fc.property(rows, (all) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
        const text = all.map((one) => `${Object.values(one).map(quoted).join(',')}\n`).join('')
        const { stored, counts } = read(`time,metric,uuid,pod,value\n${text}`)
        const plain = new GpuReadings({ table: new SeriesTable() })
        for (const { time, ...rest } of all) {
          const reading = readingOf({ ...rest, time: time === '' ? 'never' : time }, 0)
          if ('reason' in reading) plain.refuse(reading)
          else plain.add(reading)
        }
        expect(counts.taken).toBe(plain.counts.taken)
        expect(counts.missing).toBe(plain.counts.missing)
        expect(counts.read).toBe(all.length)
        let samples = 0
        plain.flush(() => samples++)
        expect(stored.length).toBe(samples)
      }),
    )
  })
})
