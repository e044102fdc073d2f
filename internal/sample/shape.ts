import { type Refusal, refuseFieldName } from './border.ts'
import { isOfFabrics } from './of-fabrics.ts'
import type { FieldKind, Slot } from './value.ts'
import { WeakValues } from './weak-values.ts'

/**
 * A series with more fields comes from a faulty publisher, which uses a value as a name. Telegraf's widest series has
 * 60.
 */
export const MAX_FIELDS = 512

/** So often a shape is searched field by field, before it makes an index. Most shapes are only on the way to others. */
const SEARCHED_WITHOUT_INDEX = 4

/** `,name=` escaped for line protocol, as bytes and as words of four. */
export interface FieldPrefix {
  readonly bytes: Uint8Array
  readonly words: Int32Array
}

/** How a message gives a field of a shape: see codec/frame-names.ts. */
export interface Column {
  readonly name: string
  /** The kind in the message, and the kind of the field in the series. */
  readonly kind: FieldKind
  readonly target: FieldKind
  readonly isConverted: boolean
  /** The field's index in the series. */
  readonly index: number
  /** The placeholder for "no value". */
  readonly absent: Slot
}

/** A list of fields as it stands in messages, in bytes, and what it says. */
export interface ColumnList {
  /** Its bytes. */
  readonly view: DataView
  readonly columns: readonly Column[]
  /** Whether all are numbers that are taken as they stand. Where all have values, each is then 8 bytes behind the one before. */
  readonly isPlain: boolean
  /** In the order of the fields of the shape; every sample reuses it. If all are numbers, V8 stores it as plain doubles. */
  readonly values: Slot[]
}

/**
 * What all series of a measurement with the same fields share: their names and kinds, and what other parts made of these
 * at their first use. 110,000 series of 10,000 hosts have some dozen shapes.
 *
 * A shape never changes. A series that gets another field gets another shape: the one that any series of this shape gets
 * with that field. It is held weakly, so that shapes without series vanish.
 */
export class Shape {
  readonly measurement: string
  /** Whether the newest values travel over the live feed. */
  readonly isLive: boolean
  /** How many fields it has. */
  readonly width: number

  /** For each field, from the first line on; format/line/encode.ts makes them. */
  readonly fieldPrefixes: FieldPrefix[] = []
  /** The longest line, without the prefix of its series; Infinity where a field may be a text, NaN before the first line. */
  mostLineBytes = Number.NaN
  /** The fields as our own frames name them, and as frames that came did. codec/frame-names.ts makes them. */
  frameFields: Uint8Array | undefined
  readonly columnLists: ColumnList[] = []
  /** `"name":` for each field. live/live-series.ts makes them. */
  jsonNames: readonly string[] | undefined

  /** It has one field more than this one. */
  readonly #narrower: Shape | undefined
  readonly #lastName: string
  readonly #lastKind: FieldKind
  readonly #wider = new WeakValues<Shape>()
  #names: readonly string[] | undefined
  #kinds: readonly FieldKind[] | undefined
  #index: ReadonlyMap<string, number> | undefined
  #searches = 0

  /** A shape without fields, or with one more than `narrower`. */
  constructor(measurement: string, narrower?: Shape, lastName = '', lastKind: FieldKind = 'float') {
    this.measurement = measurement
    this.isLive = !isOfFabrics(measurement)
    this.width = narrower === undefined ? 0 : narrower.width + 1
    this.#narrower = narrower
    this.#lastName = lastName
    this.#lastKind = lastKind
  }

  get fieldNames(): readonly string[] {
    this.#names ??= this.#collect((shape) => shape.#lastName)
    return this.#names
  }

  get fieldKinds(): readonly FieldKind[] {
    this.#kinds ??= this.#collect((shape) => shape.#lastKind)
    return this.#kinds
  }

  /** The index of a field that exists, or -1. */
  indexOf(name: string): number {
    if (this.#index !== undefined) return this.#index.get(name) ?? -1
    if (++this.#searches > SEARCHED_WITHOUT_INDEX) {
      this.#index = new Map(this.fieldNames.map((known, i) => [known, i]))
      return this.#index.get(name) ?? -1
    }
    for (let shape: Shape = this; shape.#narrower !== undefined; shape = shape.#narrower) {
      if (shape.#lastName === name) return shape.width - 1
    }
    return -1
  }

  /** The shape with one more field, whose name is clean and new. A name that a store would refuse, or one too many, gives a refusal. */
  with(name: string, kind: FieldKind): Shape | Refusal {
    const branch = `${kind} ${name}`
    const known = this.#wider.get(branch)
    if (known !== undefined) return known
    const refusal = refuseFieldName(name)
    if (refusal !== undefined) return refusal
    if (this.width >= MAX_FIELDS) {
      return { reason: 'too_many_fields', detail: `a series of ${this.measurement} has ${MAX_FIELDS} fields already` }
    }
    const wider = new Shape(this.measurement, this, name, kind)
    this.#wider.set(branch, wider)
    return wider
  }

  #collect<T>(of: (shape: Shape) => T): T[] {
    const all: T[] = []
    for (let shape: Shape = this; shape.#narrower !== undefined; shape = shape.#narrower) all.push(of(shape))
    return all.reverse()
  }
}
