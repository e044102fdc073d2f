import { CounterRates, isWholeDisk, MomentSum } from '../charts/rates.ts'
import type { LiveSample } from '../shared/api.ts'
import {
  type Figure,
  formatBytes,
  formatLoad,
  formatPercent,
  formatRate,
  type Level,
  levelOf,
} from '../shared/units.ts'

/** Takes one value of a sample; the label names a column that is not known beforehand, as a disk's path. */
type Put = (column: string, atMs: number, value: number | null, label?: string) => void

/** Reads the values of a chart out of samples, oldest first. It may remember, as counters need it. */
export type Reader = (sample: LiveSample, put: Put) => void

export interface Line {
  readonly column: string
  readonly label: string
  /** The rest of a whole, as free memory: a line without an area. */
  readonly isRest?: boolean
}

/** A figure of the headline: a mark before it ("↓"), words after its unit ("of 15.6 GiB"), a level where it has thresholds. */
export interface Headline {
  readonly mark?: string
  readonly figure: Figure | null
  readonly after?: string
  readonly level?: Level
}

/** One chart: what to ask for, how to read it, how to say it. Everything that differs between the charts is here. */
export interface Panel {
  readonly id: string
  readonly title: string
  readonly measurement: string
  readonly fields: readonly string[]
  /** `last` for counters, whose rates the page makes itself. */
  readonly aggregate: 'mean' | 'last'
  readonly tag?: string
  /** Lines from the bottom up; none where the columns name them. */
  readonly lines: readonly Line[]
  readonly stacked: boolean
  /** The axis: always 0 to 100 for percentages, in powers of 1024 for sizes. */
  readonly axis: 'percent' | 'binary' | 'decimal'
  readonly format: (value: number) => Figure
  readonly makeReader: () => Reader
  readonly headline: (value: (column: string) => number | null, lines: readonly Line[]) => Headline[]
}

/** Integers beyond 2^53 come as text; as numbers they lose at most their last digits, far below a pixel. */
function numberOf(value: number | string | boolean | undefined): number | null {
  if (value === undefined || typeof value === 'boolean' || value === '') return null
  const number = Number(value)
  return Number.isFinite(number) ? number : null
}

const millisecondsOf = (sample: LiveSample) => sample.at / 1000

/** One column for each sum of fields; a sample without any of a column's fields says nothing about it. */
function readFields(
  columns: Readonly<Record<string, readonly string[]>>,
  only?: (tags: LiveSample['tags']) => boolean,
) {
  return (): Reader => (sample, put) => {
    if (only !== undefined && !only(sample.tags)) return
    for (const [column, fields] of Object.entries(columns)) {
      const values = fields.map((field) => numberOf(sample.fields[field])).filter((value) => value !== null)
      if (values.length > 0)
        put(
          column,
          millisecondsOf(sample),
          values.reduce((sum, value) => sum + value),
        )
    }
  }
}

/** The rate of each counter, summed over the series that a tag tells apart. */
function readRates(
  columns: Readonly<Record<string, string>>,
  tag: string,
  counts: (name: string, others: { has(name: string): boolean }) => boolean,
) {
  return (): Reader => {
    const rates = new CounterRates()
    const sums = new Map(Object.keys(columns).map((column) => [column, new MomentSum(counts)]))
    return (sample, put) => {
      const name = sample.tags[tag]
      if (name === undefined) return
      const atMs = millisecondsOf(sample)
      for (const [column, field] of Object.entries(columns)) {
        const value = numberOf(sample.fields[field])
        if (value === null) continue
        const rate = rates.next(`${column} ${name}`, atMs, value)
        if (rate === undefined) continue
        const sum = sums.get(column)!.add(name, atMs, rate)
        if (sum !== undefined) put(column, atMs, sum)
      }
    }
  }
}

const PSEUDO_FILE_SYSTEMS = new Set(['tmpfs', 'devtmpfs', 'squashfs', 'iso9660', 'proc', 'sysfs'])

/** One column a device: the same disk mounted at many paths (as in a container) is one line, named by its shortest path. */
function readDisks(): Reader {
  return (sample, put) => {
    const { device, path, fstype } = sample.tags
    const percent = numberOf(sample.fields.used_percent)
    if (path === undefined || percent === null || PSEUDO_FILE_SYSTEMS.has(fstype ?? '')) return
    put(device ?? path, millisecondsOf(sample), percent, path)
  }
}

const figureOf = (value: number | null, format: (value: number) => Figure) => (value === null ? null : format(value))

const sumOf = (values: readonly (number | null)[]) =>
  values.includes(null) ? null : values.reduce<number>((sum, value) => sum + value!, 0)

const OTHER_CPU = ['nice', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'].map((kind) => `usage_${kind}`)

const CPU: Panel = {
  id: 'cpu',
  title: 'CPU',
  measurement: 'cpu',
  fields: ['usage_user', 'usage_system', 'usage_iowait', ...OTHER_CPU],
  aggregate: 'mean',
  tag: 'cpu=cpu-total',
  lines: ['user', 'system', 'iowait', 'other'].map((name) => ({ column: name, label: name })),
  stacked: true,
  axis: 'percent',
  format: formatPercent,
  makeReader: readFields(
    { user: ['usage_user'], system: ['usage_system'], iowait: ['usage_iowait'], other: OTHER_CPU },
    (tags) => tags.cpu === 'cpu-total',
  ),
  headline(value) {
    const parts = ['user', 'system', 'iowait', 'other'].map(value)
    const percent = parts.slice(0, 2).includes(null) ? null : sumOf(parts.map((part) => part ?? 0))
    return [{ figure: figureOf(percent, formatPercent), level: levelOf(percent ?? 0) }]
  },
}

const MEMORY: Panel = {
  id: 'memory',
  title: 'Memory',
  measurement: 'mem',
  fields: ['used', 'cached', 'buffered', 'free', 'total'],
  aggregate: 'mean',
  lines: [
    { column: 'used', label: 'used' },
    { column: 'cached', label: 'cached' },
    { column: 'free', label: 'free', isRest: true },
  ],
  stacked: true,
  axis: 'binary',
  format: formatBytes,
  makeReader: readFields({ used: ['used'], cached: ['cached', 'buffered'], free: ['free'], total: ['total'] }),
  headline(value) {
    const used = value('used')
    const total = value('total')
    if (used === null || total === null) return [{ figure: figureOf(used, formatBytes) }]
    const whole = formatBytes(total)
    const part = formatBytes(used)
    const unit = part.unit === whole.unit ? '' : part.unit
    const after = `of ${whole.text} ${whole.unit}`
    return [{ figure: { text: part.text, unit }, after, level: levelOf((used / total) * 100) }]
  },
}

const LOAD: Panel = {
  id: 'load',
  title: 'Load',
  measurement: 'system',
  fields: ['load1', 'load5', 'load15'],
  aggregate: 'mean',
  lines: [
    { column: 'load1', label: '1 min' },
    { column: 'load5', label: '5 min' },
    { column: 'load15', label: '15 min' },
  ],
  stacked: false,
  axis: 'decimal',
  format: formatLoad,
  makeReader: readFields({ load1: ['load1'], load5: ['load5'], load15: ['load15'] }),
  headline(value) {
    const before = ['load5', 'load15'].map(value).filter((load) => load !== null)
    return [
      {
        figure: figureOf(value('load1'), formatLoad),
        after: before.map((load) => formatLoad(load).text).join('  '),
      },
    ]
  },
}

const DISK: Panel = {
  id: 'disk',
  title: 'Disk',
  measurement: 'disk',
  fields: ['used_percent'],
  aggregate: 'mean',
  lines: [],
  stacked: false,
  axis: 'percent',
  format: formatPercent,
  makeReader: readDisks,
  headline(value, lines) {
    const fullest = lines
      .map((line) => ({ label: line.label, percent: value(line.column) }))
      .reduce<{ label: string; percent: number | null }>(
        (most, next) => ((next.percent ?? -1) > (most.percent ?? -1) ? next : most),
        { label: '', percent: null },
      )
    const { label, percent } = fullest
    return [{ figure: figureOf(percent, formatPercent), after: `used on ${label}`, level: levelOf(percent ?? 0) }]
  },
}

const DISK_IO: Panel = {
  id: 'diskio',
  title: 'Disk I/O',
  measurement: 'diskio',
  fields: ['read_bytes', 'write_bytes'],
  aggregate: 'last',
  lines: [
    { column: 'read', label: 'read' },
    { column: 'write', label: 'write' },
  ],
  stacked: false,
  axis: 'decimal',
  format: formatRate,
  makeReader: readRates({ read: 'read_bytes', write: 'write_bytes' }, 'name', isWholeDisk),
  headline: (value) => [
    { mark: 'R', figure: figureOf(value('read'), formatRate) },
    { mark: 'W', figure: figureOf(value('write'), formatRate) },
  ],
}

const NETWORK: Panel = {
  id: 'network',
  title: 'Network',
  measurement: 'net',
  fields: ['bytes_recv', 'bytes_sent'],
  aggregate: 'last',
  lines: [
    { column: 'down', label: 'received' },
    { column: 'up', label: 'sent' },
  ],
  stacked: false,
  axis: 'decimal',
  format: formatRate,
  // `all` is Telegraf's sum of protocol counters, not an interface.
  makeReader: readRates(
    { down: 'bytes_recv', up: 'bytes_sent' },
    'interface',
    (name) => name !== 'lo' && name !== 'all',
  ),
  headline: (value) => [
    { mark: '↓', figure: figureOf(value('down'), formatRate) },
    { mark: '↑', figure: figureOf(value('up'), formatRate) },
  ],
}

/** The charts of a host, in their order on the page. */
export const PANELS: readonly Panel[] = [CPU, MEMORY, LOAD, DISK, DISK_IO, NETWORK]
