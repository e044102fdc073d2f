/** A row of a Flux table: `_time` in ms, `_value`, and tags. */
export type FluxRow = Readonly<Record<string, string | number>> & { readonly _time: number; readonly _value: number }

/** What a cell of a dashboard gets from the page around it, times and durations in ms. */
export interface FluxVariables {
  readonly timeRangeStart: number
  readonly timeRangeStop: number
  readonly windowPeriod: number
  readonly sentinel_host?: string
}

interface Table {
  /** The columns by which its rows are grouped, with their values. */
  readonly key: Readonly<Record<string, string | number>>
  readonly rows: readonly FluxRow[]
}

type Arguments = Readonly<Record<string, string>>
type Step = (tables: readonly Table[], args: Arguments, v: FluxVariables) => Table[]

/**
 * Runs the Flux of a dashboard's cell over some rows, as InfluxDB's documentation describes each function: one pipeline, and only the
 * functions below. It shows what a query computes where no InfluxDB 2 can be installed.
 */
export function runFlux(query: string, rows: readonly FluxRow[], v: FluxVariables): Table[] {
  const [source = '', ...steps] = query
    .split('\n')
    .filter((line) => !/^import |^$/.test(line))
    .map((line) => line.trim())
  if (!source.startsWith('from(bucket: ')) throw new Error(`not a pipeline: ${source}`)
  const tags = (row: FluxRow): string[] => Object.keys(row).filter((name) => name !== '_time' && name !== '_value')
  return steps.reduce<Table[]>(
    (tables, step) => {
      const [, name = '', text = ''] = /^\|> (\w+)\((.*)\)$/.exec(step) ?? []
      const run = STEPS[name]
      if (run === undefined) throw new Error(`no such function here: ${step}`)
      return run(tables, argumentsOf(text), v)
    },
    regroup([{ key: {}, rows }], tags),
  )
}

const STEPS: Readonly<Record<string, Step>> = {
  range: (tables, { start = '', stop = '' }, v) => {
    const [from, to] = [timeOf(start, v), timeOf(stop, v)]
    const bounds = { _start: from, _stop: to }
    return tables.map(({ key, rows }) => ({
      key: { ...key, ...bounds },
      rows: rows.filter(({ _time }) => _time >= from && _time < to).map((row) => ({ ...row, ...bounds })),
    }))
  },
  filter: (tables, { fn = '' }, v) => {
    const test = predicateOf(fn)
    return tables.map((table) => ({ ...table, rows: table.rows.filter((row) => test(row, v)) }))
  },
  /** n rows give n - 1; without `nonNegative` a rate may be negative. */
  derivative: (tables, { unit = '1s', ...rest }) => {
    if (Object.keys(rest).length > 0) throw new Error(`derivative with ${Object.keys(rest)}`)
    return tables.map(({ key, rows }) => ({
      key,
      rows: rows.slice(1).map((row, n) => {
        const before = rows[n]!
        return { ...row, _value: ((row._value - before._value) * durationOf(unit)) / (row._time - before._time) }
      }),
    }))
  },
  /** Windows begin at multiples of `every`, and the range cuts the first and the last. A row has the end of its window as its time. */
  aggregateWindow: (tables, { every = '', fn = '', createEmpty, timeSrc = '"_stop"' }, v) => {
    if (createEmpty !== 'false') throw new Error('createEmpty')
    const width = every === 'v.windowPeriod' ? v.windowPeriod : durationOf(every)
    return tables.map(({ key, rows }) => {
      const windows = new Map<number, FluxRow[]>()
      for (const row of rows) {
        const begin = Math.floor(row._time / width) * width
        windows.set(begin, [...(windows.get(begin) ?? []), row])
      }
      const aggregated = [...windows].map(([begin, inside]) => {
        const start = Math.max(begin, Number(key._start))
        const stop = Math.min(begin + width, Number(key._stop))
        return { ...inside[0]!, _time: timeSrc === '"_start"' ? start : stop, _value: AGGREGATES[fn]!(inside) }
      })
      return { key, rows: aggregated }
    })
  },
  group: (tables, { columns = '[]' }) => {
    const names: string[] = JSON.parse(columns)
    return regroup(tables, () => names)
  },
  /** Drops every column that is not in the group key. */
  sum: (tables) =>
    tables.map(({ key, rows }) => ({ key, rows: [{ ...key, _value: AGGREGATES.sum!(rows) } as unknown as FluxRow] })),
  sort: (tables, { columns = '[]' }) => {
    const [column = '']: string[] = JSON.parse(columns)
    return tables.map(({ key, rows }) => ({
      key,
      rows: rows.toSorted((a, b) => Number(a[column]) - Number(b[column])),
    }))
  },
}

const AGGREGATES: Readonly<Record<string, (rows: readonly FluxRow[]) => number>> = {
  sum: (rows) => rows.reduce((sum, { _value }) => sum + _value, 0),
  mean: (rows) => rows.reduce((sum, { _value }) => sum + _value, 0) / rows.length,
  max: (rows) => Math.max(...rows.map(({ _value }) => _value)),
  last: (rows) => rows.at(-1)!._value,
}

/** Groups rows anew. The order of the rows that come from different tables is not defined: here it is the reverse. */
function regroup(tables: readonly Table[], columns: (row: FluxRow) => readonly string[]): Table[] {
  const grouped = new Map<string, { key: Record<string, string | number>; rows: FluxRow[] }>()
  for (const row of tables.toReversed().flatMap(({ rows }) => rows)) {
    const key = Object.fromEntries(columns(row).flatMap((name) => (name in row ? [[name, row[name]!]] : [])))
    const name = JSON.stringify(Object.entries(key).sort())
    const table = grouped.get(name) ?? { key, rows: [] }
    table.rows.push(row)
    grouped.set(name, table)
  }
  return [...grouped.values()]
}

/** `every: v.windowPeriod, fn: mean` as an object. A comma inside brackets or parentheses separates nothing. */
function argumentsOf(text: string): Arguments {
  const parts = text === '' ? [] : text.split(/, (?=\w+: )(?![^([]*[)\]])/)
  return Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf(':')), part.slice(part.indexOf(':') + 2)]))
}

function timeOf(text: string, v: FluxVariables): number {
  const earlier = /^date\.sub\(from: (.*), d: (\w+)\)$/.exec(text)
  if (earlier !== null) return timeOf(earlier[1]!, v) - durationOf(earlier[2]!)
  if (text === 'v.timeRangeStart') return v.timeRangeStart
  if (text === 'v.timeRangeStop') return v.timeRangeStop
  throw new Error(`not a time: ${text}`)
}

function durationOf(text: string): number {
  const [, count, unit = ''] = /^(\d+)([smh])$/.exec(text) ?? []
  return Number(count) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN)
}

/** A Flux predicate as a function of JavaScript. */
function predicateOf(fn: string): (row: FluxRow, v: FluxVariables) => boolean {
  const body = fn
    .replace(/^\(r\) => /, '')
    .replaceAll(' and ', ' && ')
    .replaceAll(' or ', ' || ')
    .replaceAll('not ', '!')
    .replaceAll(/exists (r\.\w+)/g, '($1 !== undefined)')
    .replaceAll(/([\w.]+) =~ (\/.*?\/)/g, '$2.test($1)')
    .replaceAll(/([\w.]+) !~ (\/.*?\/)/g, '!$2.test($1)')
  return new Function('r', 'v', `return ${body}`) as (row: FluxRow, v: FluxVariables) => boolean
}
