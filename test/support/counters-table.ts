/** Columns that are no metrics, of all profiles of the generator. */
const NO_METRICS = ['timestamp', 'switch_id', 'source_id', 'tag', 'node_guid', 'port_guid', 'port_num']
const US_OF_A_SECOND = 1_000_000n

/**
 * What a generator gave, read plainly: what the programs make of it is held against this. Lines are divided when they
 * are asked for, so that 100,000 rows take what their text takes.
 */
export class CountersTable {
  /** The names of all columns. */
  readonly columns: readonly string[]
  readonly metrics: ReadonlyArray<{ readonly name: string; readonly cell: number }>
  readonly lines: readonly string[]

  constructor(text: string) {
    const [header = '', ...lines] = text.trimEnd().split(/\r?\n/)
    this.columns = header.split(',')
    this.lines = lines
    this.metrics = this.columns.flatMap((name, cell) => (NO_METRICS.includes(name) ? [] : [{ name, cell }]))
  }

  cellsOf(line: string): string[] {
    return line.split(',')
  }

  /** How the row is called: `sw5`, or `<guid>_<port>`. */
  idOf(cells: readonly string[]): string {
    const of = (name: string): string => cells[this.columns.indexOf(name)]!
    return this.columns.includes('switch_id') ? of('switch_id') : `${of('node_guid').slice(2)}_${of('port_num')}`
  }

  /** The time of the row, µs since the epoch: of a number of ten digits, seconds. undefined where it has none. */
  timeOf(cells: readonly string[]): bigint | undefined {
    const written = cells[this.columns.indexOf('timestamp')]
    if (written === undefined) return undefined
    return written.length === 10 ? BigInt(written) * US_OF_A_SECOND : BigInt(written)
  }

  /** Every row by its name: its metrics that have a value, as they are written. */
  values(): Map<string, Map<string, string>> {
    return new Map(
      this.lines.map((line) => {
        const cells = this.cellsOf(line)
        const written = this.metrics.flatMap(({ name, cell }) => (cells[cell] === '' ? [] : [[name, cells[cell]!]]))
        return [this.idOf(cells), new Map(written as Array<[string, string]>)]
      }),
    )
  }
}

/** Whether two texts are the same value: a number with a point may be written in other ways, an integer has all digits. */
export function isSameCell(written: string, found: string): boolean {
  return written === found || (written.includes('.') && found !== '' && Number(written) === Number(found))
}
