import { type Figure, figureText, scaled } from '../../internal/text/figure.ts'
import { byteRateFigure, sizeFigure } from '../../internal/text/size.ts'
import { figureOf } from '../charts/machine-panels.ts'
import { type Line, millisecondsOf, numberOf, type Panel, type Reader } from '../charts/panel.ts'
import type { LiveSample } from '../shared/api.ts'
import { percentFigure } from '../shared/percent.ts'
import type { Gpu } from './gpu.ts'
import { celsiusFigure, wattsFigure } from './gpu-metrics.ts'

/** A line of a chart: the field that it shows, and what its values are multiplied by. */
interface GpuLine extends Line {
  readonly field: string
  readonly times?: number
}

interface GpuChart extends Pick<Panel, 'id' | 'title' | 'axis' | 'format' | 'leastStep'> {
  readonly lines: readonly GpuLine[]
  readonly stacked?: boolean
  readonly headline?: Panel['headline']
}

const RATIO = 100
const hertzFigure = (value: number): Figure => scaled(value, 1000, ['', 'k', 'M', 'G', 'T'], 'Hz')

const line = (field: string, label: string, more: Partial<GpuLine> = {}): GpuLine => ({
  ...{ column: field, field, label },
  ...more,
})
const optional = (field: string, label: string, more: Partial<GpuLine> = {}): GpuLine =>
  line(field, label, { isOptional: true, ...more })

/** The charts of a GPU, from the top. */
const CHARTS: readonly GpuChart[] = [
  {
    ...{ id: 'gpu-utilization', title: 'Utilisation', axis: 'percent', format: percentFigure },
    lines: [
      line('utilization_percent', 'busy', { hint: 'the part of the time in which it did something' }),
      optional('graphics_engine_ratio', 'engine', { times: RATIO, hint: 'the graphics engine is active' }),
      optional('tensor_ratio', 'tensor', { times: RATIO, hint: 'the tensor cores are active' }),
      optional('memory_copy_percent', 'memory', { hint: 'its memory is read or written' }),
    ],
    headline: (value) => [{ figure: figureOf(value('utilization_percent'), percentFigure) }],
  },
  {
    ...{ id: 'gpu-memory', title: 'GPU memory', axis: 'binary', format: sizeFigure, stacked: true },
    lines: [line('memory_used_bytes', 'used'), line('memory_free_bytes', 'free', { isRest: true })],
    headline(value) {
      const [used, free] = [value('memory_used_bytes'), value('memory_free_bytes')]
      if (used === null || free === null || used + free === 0) return [{ figure: figureOf(used, sizeFigure) }]
      const whole = sizeFigure(used + free)
      // No level: those who train fill it on purpose.
      return [{ figure: sizeFigure(used), after: `of ${figureText(whole)}` }]
    },
  },
  {
    ...{ id: 'gpu-temperature', title: 'Temperature', axis: 'decimal', format: celsiusFigure, leastStep: 1 },
    lines: [line('temperature_celsius', 'GPU'), optional('memory_temperature_celsius', 'memory')],
  },
  {
    ...{ id: 'gpu-power', title: 'Power', axis: 'decimal', format: wattsFigure, leastStep: 1 },
    lines: [line('power_watts', 'draw'), optional('power_limit_watts', 'limit')],
  },
  {
    ...{ id: 'gpu-clocks', title: 'Clocks', axis: 'decimal', format: hertzFigure, leastStep: 1e6 },
    lines: [optional('sm_clock_hertz', 'SM'), optional('memory_clock_hertz', 'memory')],
  },
  {
    ...{ id: 'gpu-traffic', title: 'PCIe and NVLink', axis: 'decimal', format: byteRateFigure, leastStep: 1 },
    lines: [
      optional('pcie_rx_bytes_per_second', 'PCIe in'),
      optional('pcie_tx_bytes_per_second', 'PCIe out'),
      optional('pcie_sampled_rx_bytes_per_second', 'PCIe in', { hint: 'as the driver samples it' }),
      optional('pcie_sampled_tx_bytes_per_second', 'PCIe out', { hint: 'as the driver samples it' }),
      optional('nvlink_bytes_per_second', 'NVLink'),
      optional('nvlink_rx_bytes_per_second', 'NVLink in'),
      optional('nvlink_tx_bytes_per_second', 'NVLink out'),
    ],
  },
]

/** The charts of one GPU. Samples of its parts, and of another of its name elsewhere, are not its own. */
export function gpuPanels(gpu: Gpu): Panel[] {
  const isOwn = ({ mig, host }: LiveSample['tags']): boolean =>
    (mig ?? '') === (gpu.mig ?? '') && (host === undefined || host === gpu.host)
  return CHARTS.map(({ headline, stacked = false, ...chart }) => ({
    ...chart,
    ...{ measurement: 'gpu', fields: chart.lines.map(({ field }) => field), aggregate: 'mean', stacked },
    makeReader: () => readerOf(chart.lines, isOwn),
    headline: headline ?? ((value, lines) => firstOf(value, lines, chart.format)),
  }))
}

function firstOf(value: (column: string) => number | null, lines: readonly Line[], format: Panel['format']) {
  const [first] = lines
  return [{ figure: first === undefined ? null : figureOf(value(first.column), format) }]
}

function readerOf(lines: readonly GpuLine[], isOwn: (tags: LiveSample['tags']) => boolean): Reader {
  return (sample, put) => {
    if (!isOwn(sample.tags)) return
    for (const { column, field, times = 1 } of lines) {
      const value = numberOf(sample.fields[field])
      if (value !== null) put(column, millisecondsOf(sample), value * times)
    }
  }
}
