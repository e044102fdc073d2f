import type { Figure } from '../../internal/text/figure.ts'
import { sizeFigure } from '../../internal/text/size.ts'
import { levelOf, percentFigure } from '../shared/percent.ts'
import { type Line, type Panel, readFields } from './panel.ts'

/** A value in words; null where it is unknown. */
export const figureOf = (value: number | null, format: (value: number) => Figure): Figure | null =>
  value === null ? null : format(value)

const sumOf = (values: readonly (number | null)[]) =>
  values.includes(null) ? null : values.reduce<number>((sum, value) => sum + value!, 0)

/** Each line of the CPU chart with the fields that it sums. Together they are all time that is not idle. */
const CPU_LINES: readonly (Line & { readonly kinds: readonly string[] })[] = [
  { column: 'user', label: 'user', kinds: ['user', 'guest'], hint: 'programs, virtual machines among them' },
  { column: 'system', label: 'system', kinds: ['system'], hint: 'the kernel' },
  { column: 'iowait', label: 'iowait', kinds: ['iowait'], hint: 'idle, while a program waits for a disk' },
  { column: 'steal', label: 'steal', kinds: ['steal'], hint: 'taken by the hypervisor' },
  { column: 'irq', label: 'irq', kinds: ['irq', 'softirq'], hint: 'interrupts of the hardware, and what follows them' },
  { column: 'nice', label: 'nice', kinds: ['nice', 'guest_nice'], hint: 'programs of low priority' },
]
const CPU_COLUMNS = Object.fromEntries(
  CPU_LINES.map(({ column, kinds }) => [column, kinds.map((kind) => `usage_${kind}`)]),
)

/** The part of the CPU that is not idle; null where it is unknown. Some systems tell no more than user and system. */
export function busyPercent(value: (column: string) => number | null): number | null {
  const parts = CPU_LINES.map(({ column }) => value(column))
  return parts.slice(0, 2).includes(null) ? null : sumOf(parts.map((part) => part ?? 0))
}

export const CPU: Panel = {
  id: 'cpu',
  title: 'CPU',
  measurement: 'cpu',
  fields: Object.values(CPU_COLUMNS).flat(),
  aggregate: 'mean',
  tag: 'cpu=cpu-total',
  lines: CPU_LINES,
  stacked: true,
  axis: 'percent',
  format: percentFigure,
  makeReader: readFields(CPU_COLUMNS, (tags) => tags.cpu === 'cpu-total'),
  headline(value) {
    const percent = busyPercent(value)
    return [{ figure: figureOf(percent, percentFigure), level: levelOf(percent ?? 0) }]
  },
}

export const MEMORY: Panel = {
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
  format: sizeFigure,
  makeReader: readFields({ used: ['used'], cached: ['cached', 'buffered'], free: ['free'], total: ['total'] }),
  headline(value) {
    const used = value('used')
    const total = value('total')
    if (used === null || total === null) return [{ figure: figureOf(used, sizeFigure) }]
    const whole = sizeFigure(total)
    const part = sizeFigure(used)
    const unit = part.unit === whole.unit ? '' : part.unit
    const after = `of ${whole.text} ${whole.unit}`
    return [{ figure: { text: part.text, unit }, after, level: levelOf((used / total) * 100) }]
  },
}
