import type { FrameRowEncoder } from '../codec/frame-rows.ts'
import { isRefusal } from '../sample/border.ts'
import { sortedTags, writeNames } from '../sample/series-names.ts'
import { Shape } from '../sample/shape.ts'
import type { Tag } from '../sample/value.ts'
import type { LabelledPort } from './port-labels.ts'

const MEASUREMENT = 'fabric_info'
/** Texts that stay as they are come again after so long, so that each piece of a history has them. */
const AGAIN_US = 600e6
/** Ports whose texts are known. Beyond that all are forgotten, and told of once more. */
const MAX_PORTS = 250_000

/** What is told of a port. */
export interface PortText {
  readonly tags: readonly Tag[]
  readonly texts: Map<string, string>
  /** When it was told last, and the time of what is to be told, µs. */
  toldUs: number
}

/** Texts that tell of ports: each is due when it is new, when it has changed, and once in 10 minutes. */
export class PortTexts {
  readonly #ports = new Map<string, PortText>()
  readonly #shapes = new Map<string, Shape>()
  #due: PortText[] = []

  /** What is told of a port, with what these labels say of it. @returns undefined where nothing is */
  of({ tags, texts }: LabelledPort): PortText | undefined {
    if (texts.size === 0) return undefined
    const key = JSON.stringify(tags)
    let port = this.#ports.get(key)
    if (port === undefined) {
      if (this.#ports.size >= MAX_PORTS) this.#ports.clear()
      port = { tags, texts: new Map(), toldUs: -Infinity }
      this.#ports.set(key, port)
    }
    for (const [label, text] of texts) {
      if (port.texts.get(label) === text) continue
      port.texts.set(label, text)
      port.toldUs = -Infinity
    }
    return port
  }

  /** Notes that there was a figure of the port. */
  meet(port: PortText, atUs: number): void {
    if (atUs - port.toldUs < AGAIN_US) return
    port.toldUs = atUs
    this.#due.push(port)
  }

  /** What is to be told now. */
  take(): readonly PortText[] {
    const due = this.#due
    if (due.length > 0) this.#due = []
    return due
  }

  /** All are to be told once more. */
  forget(): void {
    this.#ports.clear()
    this.#due = []
  }

  /** Encodes a text as a sample of `fabric_info`. @returns false where the frame is full: send it, then try again */
  encode({ tags, texts, toldUs }: PortText, encoder: FrameRowEncoder): boolean {
    const names = writeNames(MEASUREMENT, sortedTags(tags))
    const shape = this.#shapeOf([...texts.keys()])
    const bytes = shape.fieldNames.map((label) => Buffer.from(texts.get(label) ?? ''))
    const textBytes = bytes.reduce((sum, text) => sum + text.length, 0)
    if (!encoder.begin(names, 0, names.length, shape, toldUs, textBytes)) return false
    for (const text of bytes) {
      if (text.length === 0) encoder.none()
      else encoder.text(text, 0, text.length)
    }
    encoder.end()
    return true
  }

  #shapeOf(labels: readonly string[]): Shape {
    const key = labels.join('\n')
    const known = this.#shapes.get(key)
    if (known !== undefined) return known
    let shape = new Shape(MEASUREMENT)
    // A label that no store takes as a field tells nothing.
    for (const label of labels) {
      const wider = shape.with(label, 'string')
      if (!isRefusal(wider)) shape = wider
    }
    this.#shapes.set(key, shape)
    return shape
  }
}
