/** What a row or labels say of who they are about. Undefined where there is no such column or label. */
export interface PortNames {
  readonly node: string | undefined
  readonly port: string | undefined
  /** Of a port that joins planes. */
  readonly system: string | undefined
  readonly aggregatedPort: string | undefined
  /** `plane`, `aggregated` or another. */
  readonly type: string
}

/** A port among all of its fabric: its id is `<guid>_<number>`. */
export interface PortIdentity {
  readonly guid: string
  readonly number: string
}

const [AGGREGATED, PLANE] = ['aggregated', 'plane']

/**
 * Which port it is. One that joins several planes has the GUID of the system and a number of its own. The first node of a
 * system may have the GUID of the system too, so the planes of that node say in their number that they are planes.
 *
 * @returns undefined where nobody is named
 */
export function identityOf({ node, port, system, aggregatedPort, type }: PortNames): PortIdentity | undefined {
  const single = pair(node, port)
  const kind = type.toLowerCase()
  if (system === undefined || aggregatedPort === undefined) return single
  const isAggregated = single === undefined || kind === AGGREGATED
  if (isAggregated) return pair(system, aggregatedPort)
  const isOfSystem = kind === PLANE && single.guid === plainGuid(system)
  return isOfSystem ? { ...single, number: `${PLANE}${single.number}` } : single
}

/** Sources write one GUID as `0xB83FD2`, with zeros before it, and without `0x`: here it has 16 small digits. */
export function plainGuid(text: string): string {
  const digits = /^(?:0x)?([\da-f]{1,16})$/i.exec(text)?.[1]
  return digits === undefined ? text : digits.toLowerCase().padStart(16, '0')
}

function pair(guid: string | undefined, number: string | undefined): PortIdentity | undefined {
  if (guid === undefined || guid === '' || number === undefined || number === '') return undefined
  return { guid: plainGuid(guid), number }
}
