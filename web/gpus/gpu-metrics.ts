import { type Figure, figureText, UNKNOWN } from '../../internal/text/figure.ts'
import { type Scale, scaleOf } from '../cells/scale.ts'
import { percentFigure } from '../shared/percent.ts'
import type { GpuMetricName } from '../shared/url-state.ts'
import type { Gpu } from './gpu.ts'

/** What cells are coloured by. */
export interface GpuMetric {
  readonly name: GpuMetricName
  readonly title: string
  readonly field: string
  readonly format: (value: number) => Figure
  /** The range of its colours where it does not follow from the values. */
  readonly scale?: Scale
  /** The ends of a range that follows from the values are multiples of this, so that colours stay while values move. */
  readonly step: number
  /** Which GPUs an operator looks at first: those that do nothing, or those that do too much. */
  readonly worst: 'lowest' | 'highest'
}

const PERCENT: Scale = { low: 0, high: 100 }

export const celsiusFigure = (value: number): Figure => ({ text: value.toFixed(0), unit: '°C' })
export const wattsFigure = (value: number): Figure => ({ text: value.toFixed(0), unit: 'W' })

export const GPU_METRICS: readonly GpuMetric[] = [
  {
    ...{ name: 'utilization', title: 'Utilisation', field: 'utilization_percent', format: percentFigure },
    ...{ scale: PERCENT, step: 1, worst: 'lowest' },
  },
  {
    ...{ name: 'memory', title: 'Memory', field: 'memory_percent', format: percentFigure },
    ...{ scale: PERCENT, step: 1, worst: 'highest' },
  },
  {
    ...{ name: 'temperature', title: 'Temperature', field: 'temperature_celsius', format: celsiusFigure },
    ...{ step: 10, worst: 'highest' },
  },
  {
    ...{ name: 'power', title: 'Power', field: 'power_watts', format: wattsFigure },
    ...{ step: 50, worst: 'highest' },
  },
]

export function valueIn({ figures }: Gpu, { field }: GpuMetric): number | null {
  return figures[field] ?? null
}

export function gpuText(gpu: Gpu, metric: GpuMetric): string {
  if (gpu.isStale) return 'stale'
  const value = valueIn(gpu, metric)
  return value === null ? UNKNOWN : figureText(metric.format(value))
}

/** The range of the colours of some values. */
export function colourRange(values: Iterable<number | null>, { scale, step }: GpuMetric): Scale | undefined {
  if (scale !== undefined) return scale
  const found = scaleOf(values)
  if (found === null) return undefined
  const low = Math.floor(found.low / step) * step
  return { low, high: Math.max(low + step, Math.ceil(found.high / step) * step) }
}
