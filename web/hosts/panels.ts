import { type Figure, threeDigits } from '../../internal/text/figure.ts'
import { byteRateFigure } from '../../internal/text/size.ts'
import { CPU, figureOf, MEMORY } from '../charts/machine-panels.ts'
import { millisecondsOf, numberOf, type Panel, type Reader, readFields, readRates } from '../charts/panel.ts'
import { NOT_STACKED } from '../charts/stacked.ts'
import { levelOf, percentFigure } from '../shared/percent.ts'
import { isWholeDisk } from './whole-disk.ts'

const PSEUDO_FILE_SYSTEMS = new Set(['tmpfs', 'devtmpfs', 'squashfs', 'iso9660', 'proc', 'sysfs'])

/**
 * Reads one column a path: two mounts may have one device name (subvolumes of a btrfs, exports of one server), and a device
 * that fails turns from `rw` to `ro`, which makes another series of the same disk.
 */
function readDisks(): Reader {
  return (sample, put) => {
    const { path, fstype } = sample.tags
    const percent = numberOf(sample.fields.used_percent)
    if (path === undefined || percent === null || PSEUDO_FILE_SYSTEMS.has(fstype ?? '')) return
    put(path, millisecondsOf(sample), percent)
  }
}

const loadFigure = (load: number): Figure => ({ text: threeDigits(load), unit: '' })

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
  leastStep: 0.01,
  format: loadFigure,
  makeReader: readFields({ load1: ['load1'], load5: ['load5'], load15: ['load15'] }),
  headline(value) {
    const before = ['load5', 'load15'].map(value).filter((load) => load !== null)
    return [
      {
        figure: figureOf(value('load1'), loadFigure),
        after: before.map((load) => loadFigure(load).text).join('  '),
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
  format: percentFigure,
  makeReader: readDisks,
  headline(value, lines) {
    const fullest = lines
      .map((line) => ({ label: line.label, percent: value(line.column) }))
      .reduce<{ label: string; percent: number | null }>(
        (most, next) => ((next.percent ?? -1) > (most.percent ?? -1) ? next : most),
        { label: '', percent: null },
      )
    const { label, percent } = fullest
    return [{ figure: figureOf(percent, percentFigure), after: `used on ${label}`, level: levelOf(percent ?? 0) }]
  },
}

const DISK_IO: Panel = {
  id: 'diskio',
  title: 'Disk I/O',
  measurement: 'diskio',
  fields: ['read_bytes', 'write_bytes'],
  aggregate: 'last',
  tag: NOT_STACKED,
  lines: [
    { column: 'read', label: 'read' },
    { column: 'write', label: 'write' },
  ],
  stacked: false,
  axis: 'decimal',
  leastStep: 1,
  format: byteRateFigure,
  makeReader: readRates({ read: 'read_bytes', write: 'write_bytes' }, 'name', isWholeDisk),
  headline: (value) => [
    { mark: 'R', figure: figureOf(value('read'), byteRateFigure) },
    { mark: 'W', figure: figureOf(value('write'), byteRateFigure) },
  ],
}

const NETWORK: Panel = {
  id: 'network',
  title: 'Network',
  measurement: 'net',
  fields: ['bytes_recv', 'bytes_sent'],
  aggregate: 'last',
  tag: NOT_STACKED,
  lines: [
    { column: 'down', label: 'received' },
    { column: 'up', label: 'sent' },
  ],
  stacked: false,
  axis: 'decimal',
  leastStep: 1,
  format: byteRateFigure,
  // `all` is not an interface: it holds Telegraf's sums of protocol counters.
  makeReader: readRates(
    { down: 'bytes_recv', up: 'bytes_sent' },
    'interface',
    (name) => name !== 'lo' && name !== 'all',
  ),
  headline: (value) => [
    { mark: '↓', figure: figureOf(value('down'), byteRateFigure) },
    { mark: '↑', figure: figureOf(value('up'), byteRateFigure) },
  ],
}

/** The charts of a host, in their order on the page. */
export const PANELS: readonly Panel[] = [CPU, MEMORY, LOAD, DISK, DISK_IO, NETWORK]
