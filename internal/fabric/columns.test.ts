import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MAX_FIELDS } from '../sample/shape.ts'
import { readColumns, type TableColumns } from './columns.ts'

function columnsOf(header: string): TableColumns {
  const columns = readColumns(header.split(','))
  if (typeof columns === 'string') throw new Error(columns)
  return columns
}

/** The first line of a recorded snapshot of the generator. */
function recorded(profile: string): string {
  const url = new URL(`../generator/testdata/${profile}.csv`, import.meta.url)
  return readFileSync(url, 'utf8').split(/\r?\n/, 1)[0]!
}

/** The names of metrics by their kinds, in order. */
function namesBy({ metrics }: TableColumns): Record<string, string[]> {
  const names: Record<string, string[]> = {}
  for (const { name, kind = 'open' } of metrics) names[kind] = [...(names[kind] ?? []), name]
  return names
}

describe('readColumns', () => {
  it('of the generator: switches', () => {
    const columns = columnsOf(recorded('switch'))
    expect(columns).toMatchObject({
      subject: 'switch',
      width: 5,
      id: 1,
      port: undefined,
      time: 0,
      info: [],
      ignored: [],
    })
    expect(namesBy(columns)).toEqual({ open: ['bandwidth_mbps', 'latency_ms'], int: ['packet_errors'] })
  })

  it('of the generator: a fabric, with a column of text and no time', () => {
    const columns = columnsOf(recorded('fabric'))
    expect(columns).toMatchObject({ subject: 'switch', width: 5, id: 0, time: -1 })
    expect(namesBy(columns)).toEqual({
      open: ['Bandwidth_Rx_Gbps', 'Latency_Avg_uSec'],
      int: ['Error_CRC_Count'],
      text: ['Port_Status'],
    })
  })

  it('of primary telemetry: all counters are integers, and what is measured is not', () => {
    const columns = columnsOf(recorded('ufm'))
    expect(columns).toMatchObject({ subject: 'fabric_port', id: -1, port: { guid: 3, port: 5 }, time: 0, ignored: [] })
    expect(columns.info.map(({ name }) => name)).toEqual(['source_id', 'tag', 'port_guid'])
    const { int, ...others } = namesBy(columns)
    expect(int).toHaveLength(28)
    expect(others).toEqual({ open: ['infiniband_CBW', 'Normalized_CBW', 'NormalizedXmitData'] })
  })

  it('of secondary telemetry', () => {
    const columns = columnsOf(
      'timestamp,source_id,tag,Node_GUID,port_guid,Port_Number,Device_ID,node_description,lid,port_label,' +
        'Phy_Manager_State,phy_state,logical_state,Link_speed_active,Active_FEC,fec_mode_active,Total_Raw_BER,Effective_BER,' +
        'Raw_Errors_Lane_0,Raw_Errors_Lane_3,Effective_Errors,Symbol_Errors,hist0,hist15,FW_Version,Chip_Temp,Link_Down,' +
        'Link_Down_IB,LinkErrorRecoveryCounter,PortRcvErrors,VL15Dropped,Module_Temperature,Cable_PN,Cable_SN,cable_vendor,' +
        'cable_identifier,Status_Message,switch_serial_number,rx_power_lane_0',
    )
    expect(columns).toMatchObject({ subject: 'fabric_port', port: { guid: 3, port: 5 }, time: 0, description: 7 })
    expect(columns.info.map(({ name }) => name)).toEqual([
      ...['source_id', 'tag', 'port_guid', 'Device_ID', 'node_description', 'port_label'],
      ...['Status_Message', 'switch_serial_number'],
    ])
    expect(namesBy(columns)).toEqual({
      int: [
        ...['Raw_Errors_Lane_0', 'Raw_Errors_Lane_3', 'Effective_Errors', 'Symbol_Errors', 'hist0', 'hist15'],
        ...['Link_Down', 'Link_Down_IB', 'LinkErrorRecoveryCounter', 'PortRcvErrors', 'VL15Dropped'],
      ],
      text: [
        ...['Active_FEC', 'fec_mode_active', 'FW_Version'],
        ...['Cable_PN', 'Cable_SN', 'cable_vendor', 'cable_identifier'],
      ],
      open: [
        ...['lid', 'Phy_Manager_State', 'phy_state', 'logical_state', 'Link_speed_active'],
        ...['Total_Raw_BER', 'Effective_BER', 'Chip_Temp', 'Module_Temperature', 'rx_power_lane_0'],
      ],
    })
  })

  it.each<[string, string, Partial<TableColumns>]>([
    ['planes and the port that joins them', 'node_guid,port_num,sys_image_guid,aport,port_type,x', {
      ...{ subject: 'fabric_port', port: { guid: 0, port: 1 }, aggregated: { guid: 2, port: 3 }, portType: 4 },
      info: [{ cell: 2, name: 'sys_image_guid' }, { cell: 3, name: 'aport' }, { cell: 4, name: 'port_type' }],
    }],
    ['joined ports alone', 'sys_image_guid,aport,x', { port: undefined, aggregated: { guid: 0, port: 1 } }],
    ['a joined port without its system', 'node_guid,Port,aport', {
      ...{ port: { guid: 0, port: 1 }, aggregated: undefined, info: [{ cell: 2, name: 'aport' }], metrics: [] },
    }],
    ['names in any case, with spaces, of a port', ' NODE_GUID , port_NUMBER ,TimeStamp,x', {
      ...{ port: { guid: 0, port: 1 }, time: 2 },
    }],
    ['port_num before Port_Number, wherever they stand', 'Port_Number,node_guid,port_num,x', { port: { guid: 1, port: 2 } }],
    ['a switch before a port', 'node_guid,port_num,switch_id,x', { subject: 'switch', id: 2, port: undefined }],
    ['a column twice', 'switch_id,a,A,a', { ignored: ['a'] }],
    ['who and when once more', 'switch_id,timestamp,SWITCH_ID,Timestamp,x', {
      ...{ id: 0, time: 1, ignored: ['SWITCH_ID', 'Timestamp'], metrics: [{ cell: 4, name: 'x', kind: undefined }] },
    }],
    ['names of tags', 'switch_id,switch,fabric,node_guid', {
      ...{ ignored: ['switch', 'fabric'], metrics: [{ cell: 3, name: 'node_guid', kind: undefined }] },
    }],
    ['names of the tags of ports', 'sys_image_guid,aport,node_guid,switch,fabric', { ignored: ['node_guid', 'switch', 'fabric'] }],
    ['columns without a name', 'switch_id,, ,x', { ignored: [], width: 4, metrics: [{ cell: 3, name: 'x', kind: undefined }] }],
    ['names that no store takes', `switch_id,time,${'n'.repeat(257)},x`, { ignored: ['time', 'n'.repeat(257)] }],
  ])('%s', (_, header, columns) => {
    expect(columnsOf(header)).toMatchObject(columns)
  }) // biome-ignore format: a row a case

  it('keeps as many metrics as a series may have fields', () => {
    const names = Array.from({ length: MAX_FIELDS + 3 }, (_, i) => `m${i}`)
    const { metrics, ignored } = columnsOf(`switch_id,${names.join(',')}`)
    expect([metrics.length, ignored]).toEqual([MAX_FIELDS, names.slice(MAX_FIELDS)])
  })

  it.each(['', '<html>', 'timestamp,value', 'node_guid,value', 'port_num,value', 'sys_image_guid,port_num'])(
    'says that nothing tells who a row is about: %j',
    (header) => {
      expect(readColumns(header.split(','))).toMatch(/no column that says who a row is about/)
    },
  )
})
