import { cleanText } from '../sample/border.ts'
import type { Tag } from '../sample/value.ts'
import { TELLS_OF_PORT } from './columns.ts'
import { DEFAULT_FABRIC } from './generation.ts'
import { identityOf } from './port-identity.ts'

/** A port that labels of a metric name. */
export interface LabelledPort {
  /** `<guid>_<port>` */
  readonly id: string
  readonly fabric: string
  /** The first description of its node; '' where there is none. */
  readonly switchName: string
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
  const named = (label: string): string | undefined => cleanText(small.get(label) ?? '') || undefined
  const identity = identityOf({
    ...{
      node: named(NODE),
      port: named(portLabel ?? ''),
      system: named('sys_image_guid'),
      aggregatedPort: named('aport'),
    },
    type: small.get('port_type') ?? '',
  })
  if (identity === undefined) return undefined
  const texts = new Map<string, string>()
  for (const [label, value] of labels) {
    const key = label.toLowerCase()
    if (key === NODE || key === portLabel || key === FABRIC) continue
    if (!TELLS_OF_PORT.has(key) && !TELLS_MORE.has(key) && !more.has(key)) return undefined
    if (value !== '') texts.set(label, value)
  }
  const { guid, number } = identity
  const description = cleanText(small.get('node_description') ?? '')
  // As of a table: when the node gets another description later, its series stay what they are.
  if (description !== '' && !switches.has(guid)) switches.set(guid, description)
  const switchName = switches.get(guid) ?? ''
  const given = cleanText(small.get(FABRIC) ?? fabric)
  const isDefault = given === '' || given === DEFAULT_FABRIC
  const tags: Tag[] = [
    [FABRIC, isDefault ? '' : given],
    ['node_guid', guid],
    ['port_num', number],
    ['switch', switchName],
  ]
  return { id: `${guid}_${number}`, fabric: isDefault ? DEFAULT_FABRIC : given, switchName, tags, texts }
}
