import { describe, expect, it } from 'vitest'
import { decode } from '../codec/codec.contract.ts'
import { blankHeader } from '../codec/codec.ts'
import { frameCodec } from '../codec/frame.ts'
import { FrameRowEncoder } from '../codec/frame-rows.ts'
import { SeriesTable } from '../sample/series.ts'
import { type Table, TableReader, type TableReaderOptions } from './table-reader.ts'
import { TableSamples } from './table-samples.ts'

const NOW_US = 1_763_900_000_123_456
const HEADER = { ...blankHeader(), run: 'h/agent/1', sentAt: NOW_US }

/** What a server reads of all rows, and of all that tells of them. */
async function samplesOf(
  lines: readonly string[],
  options: TableReaderOptions = {},
  reader = new TableReader(options),
) {
  const table = await reader.read(Buffer.from(`${lines.join('\n')}\n`, 'latin1'), NOW_US)
  const rows = sent(table, (samples) => {
    for (let row = 0; row < table.snapshot.rows; row++) expect(samples.addRow(row)).toBe(true)
  })
  const info = sent(table, (samples) => {
    for (let row = 0; row < table.snapshot.rows; row++) expect(samples.addInfo(table.knownOf[row]!, NOW_US)).toBe(true)
  })
  return { rows, info }
}

function sent(table: Table, add: (samples: TableSamples) => void) {
  const encoder = new FrameRowEncoder()
  add(new TableSamples(table, encoder))
  const { seen, refusal } = decode(frameCodec.decoder(new SeriesTable()), encoder.finish(HEADER))
  expect(refusal).toBeUndefined()
  return seen.map(({ series, fields, at }) => ({
    series: series.replaceAll('\0', ',').replaceAll('\u0001', '='),
    fields,
    at,
  }))
}

describe('TableSamples', () => {
  it('of switches: one a row, with the values that it has', async () => {
    const { rows, info } = await samplesOf([
      'timestamp,switch_id,load,packet_errors,Port_Status,none',
      ...['1763900000,sw1,0.5,9007199254740993,UP,', '1763900001,sw2,,-1,,', '1763900002,sw3,,,,', ',sw4,0,0,DOWN,N/A'],
    ])
    expect(rows).toEqual([
      { series: 'switch,switch=sw1', at: 1_763_900_000_000_000, fields: { load: 0.5, packet_errors: 9_007_199_254_740_993n, Port_Status: 'UP' } }, // biome-ignore format: one line
      { series: 'switch,switch=sw2', at: 1_763_900_001_000_000, fields: { packet_errors: -1 } },
      { series: 'switch,switch=sw4', at: NOW_US, fields: { load: 0, packet_errors: 0, Port_Status: 'DOWN' } },
    ])
    expect(info).toEqual([])
  })

  it('of ports: with the name of their switch, and what tells of them apart', async () => {
    const header = 'node_guid,port_num,port_guid,node_description,port_label,hist0'
    const lines = [header, '0xA1,1,0xA1,leaf,"1/1, left",5', '0xA1,2,,leaf,,6', '0xA2,1,,,,7']
    const { rows, info } = await samplesOf(lines, { fabric: 'hall-2' })
    const port = (node: string, number: number): string => `node_guid=00000000000000${node},port_num=${number}`
    expect(rows).toEqual([
      { series: `fabric_port,fabric=hall-2,${port('a1', 1)},switch=leaf`, at: NOW_US, fields: { hist0: 5 } },
      { series: `fabric_port,fabric=hall-2,${port('a1', 2)},switch=leaf`, at: NOW_US, fields: { hist0: 6 } },
      { series: `fabric_port,fabric=hall-2,${port('a2', 1)}`, at: NOW_US, fields: { hist0: 7 } },
    ])
    expect(info).toEqual([
      { series: `fabric_info,fabric=hall-2,${port('a1', 1)}`, at: NOW_US, fields: { port_guid: '0xA1', node_description: 'leaf', port_label: '1/1, left' } }, // biome-ignore format: one line
      { series: `fabric_info,fabric=hall-2,${port('a1', 2)}`, at: NOW_US, fields: { node_description: 'leaf' } },
    ])
  })

  it('of texts that are no UTF-8, and of one that is long: what can be read of them', async () => {
    const { rows, info } = await samplesOf([
      'switch_id,Port_Status,status_message',
      ...['sw1,a\xffb,c\xffd', `sw2,,${'x'.repeat(1023)}\xc3\xa9`, 'sw3,,'],
    ])
    expect(rows.map(({ fields }) => fields)).toEqual([{ Port_Status: 'a\ufffdb' }])
    expect(info.map(({ fields }) => fields)).toEqual([
      ...[{ status_message: 'c\ufffdd' }, { status_message: `${'x'.repeat(1023)}\ufffd` }],
    ])
  })

  it('of text that changed: what it is now', async () => {
    const reader = new TableReader()
    const header = 'switch_id,status_message,a'
    await samplesOf([header, 'sw1,good,1'], {}, reader)
    const { info } = await samplesOf([header, 'sw1,"no ""light""",2'], {}, reader)
    expect(info.map(({ fields }) => fields)).toEqual([{ status_message: 'no "light"' }])
  })
})
