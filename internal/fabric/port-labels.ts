import { cleanText } from '../sample/border.ts'
import type { Tag } from '../sample/value.ts'
import { TELLS_OF_PORT } from './columns.ts'
import { plainGuid } from './known-rows.ts'

/** A port that labels of a metric name. */
export interface LabelledPort {
  /** Those of `fabric_port`. */
  readonly tags: readonly Tag[]
  /** What other labels tell of it, by label. */
  readonly texts: ReadonlyMap<string, string>
}

const NODE = 'node_guid'
const PORTS = ['port_num', 'port_number', 'port']
const FABRIC = 'fabric'
/** Labels of a port that say more of it, beside those that columns of CSV have too. */
const TELLS_MORE = new Set(['source', 'domain_id'])
const NONE: ReadonlySet<string> = new Set()

/**
 * The port that labels name, with the tags that the rows of a fabric have.
 *
 * @param fabric of ports whose labels name none
 * @param switches by the GUID of the node: it is added to
 * @param more labels that a port may have beside its own, in small letters
 * @returns undefined where the labels are not those of a port, or where one of them is of a part of a port
 */
export function labelledPort(
  labels: ReadonlyMap<string, string>,
  fabric: string,
  switches: Map<string, string>,
  more: ReadonlySet<string> = NONE,
): LabelledPort | undefined {
  const small = new Map([...labels].map(([key, value]) => [key.toLowerCase(), value.trim()]))
  const portLabel = PORTS.find((label) => small.has(label))
  const [node, port] = [small.get(NODE) ?? '', small.get(portLabel ?? '') ?? '']
  if (node === '' || port === '') return undefined
  const texts = new Map<string, string>()
  for (const [label, value] of labels) {
    const key = label.toLowerCase()
    if (key === NODE || key === portLabel || key === FABRIC) continue
    if (!TELLS_OF_PORT.has(key) && !TELLS_MORE.has(key) && !more.has(key)) return undefined
    if (value !== '') texts.set(label, value)
  }
  const guid = plainGuid(node)
  const description = cleanText(small.get('node_description') ?? '')
  // As of a table: when the node gets another description later, its series stay what they are.
  if (description !== '' && !switches.has(guid)) switches.set(guid, description)
  const tags: Tag[] = [
    [FABRIC, small.get(FABRIC) ?? fabric],
    ['node_guid', guid],
    ['port_num', port],
    ['switch', switches.get(guid) ?? ''],
  ]
  return { tags, texts }
}
