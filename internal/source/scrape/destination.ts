import { isCounter } from '../../fabric/columns.ts'
import { type LabelledPort, labelledPort } from '../../fabric/port-labels.ts'
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
  /** The port that the line is of. */
  readonly port?: LabelledPort
}

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
  const port = labelledPort(labels, target.fabric ?? '', switches)
  if (port !== undefined)
    return { measurement: 'fabric_port', tags: port.tags, kind: isCounter(name) ? 'int' : 'float', port }
  const tags: Tag[] = [...labels]
  for (const key of ['host', 'url', 'target'] as const) {
    const value = target[key]
    // A label of the same name says it better; one without a value says nothing.
    if (value !== undefined && (labels.get(key) ?? '') === '') tags.push([key, value])
  }
  return { measurement: 'prometheus', tags, kind: 'float' }
}
