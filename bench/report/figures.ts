import { countText, decimalText } from '../../internal/text/count.ts'
import type { Counts } from '../load/counts.ts'
import { percentileOf } from '../load/hdr.ts'
import type { Pass } from './report.ts'

/** One result, of every pass. */
export interface FigureRow {
  readonly name: string
  /** Empty for a number without a unit. */
  readonly unit: string
  /** One for each pass; undefined if it was not measured. */
  readonly values: ReadonlyArray<number | undefined>
  readonly decimals: number
  /** Its name in the short overview of a pass. A row without one is left out there. */
  readonly glance: string | undefined
}

export interface FigureGroup {
  readonly name: string
  /** How it is measured, in a sentence. */
  readonly what: string
  readonly rows: readonly FigureRow[]
}

type Read = (pass: Pass) => number | undefined

/**
 * The results of a report, in the order in which people compare them: what the servers achieved, what it cost, whether
 * it can be trusted.
 */
export function figuresOf(passes: readonly Pass[]): FigureGroup[] {
  const row = (name: string, unit: string, decimals: number, read: Read, glance?: string): FigureRow => ({
    name,
    unit,
    decimals,
    values: passes.map(read),
    glance,
  })
  const latency = (unit: 'µs' | 'ms', glance: string | undefined, countsOf: (pass: Pass) => Counts | undefined) => {
    const read = (name: string, value: (counts: Counts) => number, label?: string): FigureRow => {
      const inUnit = (pass: Pass): number | undefined => {
        const counts = countsOf(pass)
        return counts === undefined || counts.count === 0 ? undefined : value(counts) / (unit === 'µs' ? 1 : 1000)
      }
      return row(name, unit, unit === 'µs' ? 0 : 2, inUnit, label)
    }
    return [
      read('p50', (counts) => percentileOf(counts, 50)),
      read('p90', (counts) => percentileOf(counts, 90)),
      read('p99', (counts) => percentileOf(counts, 99), glance),
      read('max', ({ max }) => max),
    ]
  }
  const group = (name: string, what: string, ...rows: FigureRow[]): FigureGroup => ({ name, what, rows })
  return [
    group(
      'Throughput',
      'What was sent in the measurement, divided by its length. Warm-up is left out. If much was stored only after the end, the stored rate is lower.',
      row('messages', '/s', 0, ({ load }) => load.messages / load.seconds),
      row('samples', '/s', 0, ({ load }) => load.samples / load.seconds),
      row('settled after', 's', 2, ({ load }) => load.servers && load.settleMs / 1000),
    ),
    group(
      'Internal latency',
      'From the moment the server has the message until its samples stand in the batch as line protocol.',
      ...latency('µs', undefined, ({ load }) => load.servers?.latency.internal),
    ),
    group(
      'End-to-end latency',
      'From the time at which the message was due to be sent until its samples stand in the batch.',
      ...latency('ms', 'end to end p99', ({ load }) => load.servers?.latency.e2e),
    ),
    group(
      'Durable latency',
      'From the time at which the message was due to be sent until the database has acknowledged its samples.',
      ...latency('ms', 'durable p99', ({ load }) => load.servers?.latency.durable),
    ),
    group(
      'Cost of the server',
      'Of all its threads. Bytes are those allocated, not those kept. RSS is the largest seen.',
      row('CPU a sample', 'µs', 2, cpuPerSampleUs, 'CPU a sample'),
      row('heap a sample', 'B', 0, (pass) => allocatedPerSample(pass, 'heapBytes')),
      row('buffers a sample', 'B', 0, (pass) => allocatedPerSample(pass, 'externalBytes')),
      row('RSS', 'MiB', 0, ({ load }) => load.servers && load.servers.rssBytes / 2 ** 20),
      row('GC pauses', '', 0, ({ load }) => load.servers?.gc.count),
      row('GC pause p99', 'ms', 2, ({ load }) => load.servers && percentileOf(load.servers.gc, 99) / 1000),
      row('GC share of time', '%', 2, gcPercent),
    ),
    group(
      'The sender',
      'Lateness, from due to handed to the socket, is part of every latency above but the internal one. A sender that is short of CPU measures itself.',
      row('lateness p99', 'ms', 2, ({ load }) => percentileOf(load.lateness, 99) / 1000),
      row('reply p99', 'ms', 2, ({ load }) => percentileOf(load.reply, 99) / 1000),
      row('CPU', 'cores', 2, ({ load }) => load.senderCpuUs / 1e6 / load.seconds),
    ),
    group(
      'Samples',
      'Where each sample ended. The stored ones are counted in the store.',
      row('sent', '', 0, ({ load }) => load.samples),
      row('stored', '', 0, ({ load }) => load.stored),
      row('rejected', '', 0, ({ load }) => load.servers?.ledger.rejected),
      row('dropped', '', 0, ({ load }) => load.servers && load.servers.ledger.dropped - load.servers.ledger.ownDropped),
      row('lost on the way', '', 0, ({ load }) => load.servers?.ledger.lost),
      row('nobody listened', '', 0, ({ load }) => load.unreceivedSamples),
    ),
  ]
}

function cpuPerSampleUs({ load: { servers } }: Pass): number | undefined {
  return servers && servers.cpuUs / (servers.ledger.received - servers.ledger.own)
}

/** Allocations are counted during a part of the measurement. They are divided by the samples of that part. */
function allocatedPerSample({ load }: Pass, where: 'heapBytes' | 'externalBytes'): number | undefined {
  const allocations = load.servers?.allocations
  return allocations && allocations[where] / allocations.samples
}

/** The share of a server's time between the start of the measurement and the moment when all was settled. */
function gcPercent({ load, serverCount }: Pass): number | undefined {
  const { servers, seconds, settleMs } = load
  return servers && (servers.gc.sum / 1e6 / (seconds + settleMs / 1000) / serverCount) * 100
}

/** Whether a pass can be trusted, in words. */
export function balanceOf({ load }: Pass): { readonly holds: boolean; readonly words: string } {
  if (load.balance !== '') return { holds: false, words: load.balance }
  if (load.partial) return { holds: false, words: 'stopped before its time' }
  if (load.stored === undefined) return { holds: true, words: 'the store was not asked' }
  const lost = load.reportedLost === 0 ? ', none lost' : ` + ${countText(load.reportedLost)} reported lost`
  return { holds: true, words: `sent = stored${lost}` }
}

/** The ratio to the first pass: `×0.42`; empty if it would mean nothing. */
export function ratioOf(value: number | undefined, first: number | undefined): string {
  if (value === undefined || first === undefined || first === 0) return ''
  return `×${decimalText(value / first, 2)}`
}
