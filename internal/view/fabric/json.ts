import type { CellValue } from '../../fabric/snapshot.ts'
import type { TargetRows } from './target-rows.ts'

/** A value as JSON: of an integer all digits. Undefined where there is none. */
export function valueJson(value: CellValue | undefined): string | undefined {
  if (typeof value === 'string') return JSON.stringify(value)
  // A number that JSON cannot hold, such as an infinite one, is no value.
  return value === undefined || (typeof value === 'number' && !Number.isFinite(value)) ? undefined : String(value)
}

/** Writes the values of rows of one target as JSON. */
export class RowWriter {
  readonly #target: TargetRows
  readonly #columns: readonly number[]
  /** By column: `"name":` */
  readonly #names: readonly string[]

  /** @param isAsked which metrics */
  constructor(target: TargetRows, isAsked: (metric: string) => boolean) {
    const { columns } = target.snapshot.parts
    this.#target = target
    this.#columns = [...columns.keys()].filter((column) => isAsked(columns[column]!.name))
    this.#names = columns.map(({ name }) => `${JSON.stringify(name)}:`)
  }

  /** The values of a row by metric, as an object. @param row of the fabric */
  valuesOf(row: number): string {
    const { snapshot, firstRow } = this.#target
    let members = ''
    for (const column of this.#columns) {
      const value = valueJson(snapshot.value(row - firstRow, column))
      if (value !== undefined) members += `${members === '' ? '' : ','}${this.#names[column]!}${value}`
    }
    return `{${members}}`
  }
}
