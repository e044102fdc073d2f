import { cleanText, refuseFieldName } from '../sample/border.ts'
import { MAX_FIELDS } from '../sample/shape.ts'
import type { ColumnKind, Subject } from './snapshot.ts'

/** A column of CSV: its place in a row, and what it is called. */
interface TableColumn {
  readonly cell: number
  readonly name: string
}

export interface MetricColumn extends TableColumn {
  /** Undefined until the first value that tells. */
  readonly kind: ColumnKind | undefined
}

/** Places of the cells that say which port a row is about. */
export interface PortCells {
  readonly guid: number
  readonly port: number
}

/** What the columns of a table are for, by its first line. */
export interface TableColumns {
  readonly subject: Subject
  /** How many cells a row has. */
  readonly width: number
  /** The cell with the name of the switch; −1 where rows are ports. */
  readonly id: number
  /** Of a port of a single plane. */
  readonly port: PortCells | undefined
  /** Of a port that joins several planes. */
  readonly aggregated: PortCells | undefined
  /** The cell that says `aggregated` of such a port; −1 where none does. */
  readonly portType: number
  /** −1 where rows have no time. */
  readonly time: number
  /** The cell with the name of the switch that a port belongs to; −1 where none has it. */
  readonly description: number
  /** Text that tells more about a row, and is no metric. */
  readonly info: readonly TableColumn[]
  readonly metrics: readonly MetricColumn[]
  /** Names of columns that no store can keep: they stand twice, are those of tags, or are no names. */
  readonly ignored: readonly string[]
}

/**
 * Columns that say who a row is about, and when; any case. UFM's primary telemetry calls a node `node_guid`, and its
 * secondary one `Node_GUID`.
 */
const SWITCH_ID = ['switch_id']
const NODE_GUID = ['node_guid']
const PORT_NUMBER = ['port_num', 'port_number', 'port']
const SYSTEM_GUID = ['sys_image_guid']
const AGGREGATED_PORT = ['aport']
const PORT_TYPE = ['port_type']
const TIMESTAMP = ['timestamp']
const DESCRIPTION = ['node_description']

/** What UFM's own streaming plugin takes for constants of a port, and not for counters; in small letters. */
export const TELLS_OF_PORT: ReadonlySet<string> = new Set([
  ...['source_id', 'tag', 'port_guid', 'sys_image_guid', 'aport', 'node_description', 'm_label', 'port_label'],
  'port_type',
  ...[
    'status_message',
    'device_id',
    'mvcr_sensor_name',
    'mtmp_sensor_name',
    'switch_serial_number',
    'switch_part_number',
  ],
])

/** Counters, which are integers: those of InfiniBand, and what others count. */
const COUNTERS = [
  /^\w+Extended$/i,
  /^(vl15dropped|qp1dropped|symbolerrorcounter|linkerrorrecoverycounter|linkdownedcounter)$/i,
  /^(locallinkintegrityerrors|excessivebufferoverrunerrors)$/i,
  /^Port(Xmit|Rcv|Uni|Multi|SwLifetime|SwHOQLifetime|InactiveDiscards|NeighborMTUDiscards)[a-z]*$/i,
  /^hist\d+$/i,
  /^(raw_errors_lane_\d+|symbol_errors|(phy_)?(effective|symbol)_errors|link_down(_ib)?)$/i,
  /^(packet_errors|error_crc_count)$/i,
]
/**
 * Texts that may look like a number: a serial number may have digits alone, and a version one point. If the first row
 * decided, another order of rows after a restart would make them another kind.
 */
const TEXTS = [
  /^(port_status|fec_mode_active|active_fec|down_blame)$/i,
  /(^|_)(sn|pn|serial(_number)?|part_number|vendor(_name)?|(fw_)?version|rev(ision)?)$/i,
  /^cable_(type|technology|identifier)$/i,
]
/** Tags of the series of each subject: where a field has the name of one, a store would be asked for the wrong of the two. */
const TAGS: Readonly<Record<Subject, readonly string[]>> = {
  switch: ['fabric', 'switch'],
  fabric_port: ['fabric', 'node_guid', 'port_num', 'switch'],
}
/** No metrics, also where they stand once more. */
const NO_METRICS = new Set([...SWITCH_ID, ...TIMESTAMP])

/**
 * What the columns of a table are for.
 *
 * @returns why it cannot be read, in words, where no column says who a row is about
 */
export function readColumns(header: readonly string[]): TableColumns | string {
  const names = header.map((name) => cleanText(name.trim()))
  const places = new Map<string, number>()
  for (const [cell, name] of names.entries()) {
    const key = name.toLowerCase()
    if (!places.has(key)) places.set(key, cell)
  }
  const find = (wanted: readonly string[]): number => {
    const found = wanted.find((name) => places.has(name))
    return found === undefined ? -1 : places.get(found)!
  }
  const pair = (guid: number, port: number): PortCells | undefined =>
    guid < 0 || port < 0 ? undefined : { guid, port }
  const id = find(SWITCH_ID)
  const port = pair(find(NODE_GUID), find(PORT_NUMBER))
  const aggregated = pair(find(SYSTEM_GUID), find(AGGREGATED_PORT))
  if (id < 0 && port === undefined && aggregated === undefined)
    return 'its first line names no column that says who a row is about: switch_id, or node_guid and port_num, or sys_image_guid and aport'
  const isSwitch = id >= 0
  const subject = isSwitch ? 'switch' : 'fabric_port'
  const time = find(TIMESTAMP)
  const who = isSwitch
    ? [id]
    : [port, aggregated].flatMap((cells) => (cells === undefined ? [] : [cells.guid, cells.port]))
  const info: TableColumn[] = []
  const metrics: MetricColumn[] = []
  const ignored: string[] = []
  const taken = new Set<string>()
  for (const [cell, name] of names.entries()) {
    const key = name.toLowerCase()
    const isInfo = TELLS_OF_PORT.has(key)
    if (cell === time || (who.includes(cell) && !isInfo)) continue
    if (name === '') continue
    const list = isInfo ? info : metrics
    const isOfRow = NO_METRICS.has(key) || TAGS[subject].includes(name)
    if (isOfRow || taken.has(name) || refuseFieldName(name) !== undefined || list.length >= MAX_FIELDS) {
      ignored.push(name)
      continue
    }
    taken.add(name)
    if (isInfo) info.push({ cell, name })
    else metrics.push({ cell, name, kind: kindOf(name) })
  }
  return {
    subject,
    width: names.length,
    id,
    port: isSwitch ? undefined : port,
    aggregated: isSwitch ? undefined : aggregated,
    portType: find(PORT_TYPE),
    time,
    description: isSwitch ? -1 : find(DESCRIPTION),
    info,
    metrics,
    ignored,
  }
}

/** Whether a metric of a switch or port is known for a counter, which is an integer. */
export function isCounter(name: string): boolean {
  return COUNTERS.some((pattern) => pattern.test(name))
}

/** The kind that a column has for ever, where its name tells it. */
function kindOf(name: string): ColumnKind | undefined {
  if (isCounter(name)) return 'int'
  return TEXTS.some((pattern) => pattern.test(name)) ? 'text' : undefined
}
