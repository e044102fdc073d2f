import { isCounter, TELLS_OF_PORT } from '../../fabric/columns.ts'
import { plainGuid } from '../../fabric/known-rows.ts'
import { cleanText } from '../../sample/border.ts'
import type { Tag } from '../../sample/value.ts'

/** What is the same for all lines of a target. */
export interface TargetTags {
  /** Its address, without secrets, as Telegraf's tag `url`. */
  readonly url: string
  /** What the settings call it. */
  readonly target?: string | undefined
  /** The host that lines are of which name none. */
  readonly host: string
  /** The fabric that ports are of. */
  readonly fabric?: string | undefined
}

/** The series and the field of a line. */
export interface Destination {
  readonly measurement: 'prometheus' | 'fabric_port'
  readonly tags: readonly Tag[]
  readonly kind: 'float' | 'int'
}

const NODE = 'node_guid'
const PORTS = ['port_num', 'port_number', 'port']
/** Labels of a port that say more of it, beside those that columns of CSV have too. */
const TELLS_MORE = new Set(['source', 'domain_id'])

/**
 * Where a line belongs. One with the labels of a port is of `fabric_port`, with the tags and the kinds of fields that the
 * rows of a fabric have. Any other is of `prometheus`: its labels are tags, beside those of the target that no label names.
 */
export function destinationOf(
  name: string,
  labels: ReadonlyMap<string, string>,
  target: TargetTags,
  switches: Map<string, string>,
): Destination {
  const port = portOf(labels, target, switches)
  if (port !== undefined) return { measurement: 'fabric_port', tags: port, kind: isCounter(name) ? 'int' : 'float' }
  const tags: Tag[] = [...labels]
  for (const key of ['host', 'url', 'target'] as const) {
    const value = target[key]
    // A label of the same name says it better; one without a value says nothing.
    if (value !== undefined && (labels.get(key) ?? '') === '') tags.push([key, value])
  }
  return { measurement: 'prometheus', tags, kind: 'float' }
}

/** @returns undefined where the labels are not those of a port, or where one of them is of a part of a port */
function portOf(
  labels: ReadonlyMap<string, string>,
  { fabric = '' }: TargetTags,
  switches: Map<string, string>,
): Tag[] | undefined {
  const small = new Map([...labels].map(([key, value]) => [key.toLowerCase(), value.trim()]))
  const portLabel = PORTS.find((label) => small.has(label))
  const [node, port] = [small.get(NODE) ?? '', small.get(portLabel ?? '') ?? '']
  if (node === '' || port === '') return undefined
  for (const key of small.keys()) {
    if (key !== NODE && key !== portLabel && !TELLS_OF_PORT.has(key) && !TELLS_MORE.has(key)) return undefined
  }
  const guid = plainGuid(node)
  const description = cleanText(small.get('node_description') ?? '')
  // As of a table: when the node gets another description later, its series stay what they are.
  if (description !== '' && !switches.has(guid)) switches.set(guid, description)
  return [
    ['fabric', fabric],
    ['node_guid', guid],
    ['port_num', port],
    ['switch', switches.get(guid) ?? ''],
  ]
}
