import type uPlot from 'uplot'
import { latencyText } from '../../internal/text/duration.ts'
import { sizeText } from '../../internal/text/size.ts'
import type { Palette } from '../../web/shared/theme.ts'
import type { Group, Latency, Pass } from './data.ts'
import { passColour } from './figures.ts'
import { Plot } from './plot.ts'
import { percentileText, shortCount } from './units.ts'

const DECADES = [2, 10, 100, 1_000, 10_000, 100_000]
/** The percentile that the legend shows while nobody points at a chart: one in so many messages is slower. */
const REST_ONE_IN = 100
/** A logarithmic axis has no 0, and 1 µs is the finest that latencies are measured. */
const MIN_US = 1

/** A chart for each kind of latency, with a curve for each pass. */
export function curvePlots({ passes, latencies }: Group, oneIn: readonly number[], palette: Palette): Plot[] {
  const restIndex = oneIn.findIndex((share) => share >= REST_ONE_IN)
  return latencies.map((latency) => {
    const lines = passes.map(({ name }, index) => ({
      name,
      colour: passColour(index),
      values: latency.curves[index]!.map((us) => (us === null ? null : Math.max(us, MIN_US))),
    }))
    return new Plot({
      title: latency.name,
      summary: curveSummary(latency, passes, restIndex),
      palette,
      x: oneIn,
      lines,
      scales: { x: { time: false, distr: 3, range: [DECADES[0]!, DECADES.at(-1)!] }, y: { distr: 3 } },
      xSplits: DECADES,
      xText: percentileText,
      yText: latencyText,
      restIndex,
      crosshair: 'percentile',
    })
  })
}

function curveSummary({ name, curves }: Latency, passes: readonly Pass[], restIndex: number): string {
  const parts = passes.map((pass, index) => {
    const [median, slow] = [curves[index]![0], curves[index]![restIndex]]
    if (median == null || slow == null) return `${pass.name}: not known`
    return `${pass.name}: median ${latencyText(median)}, 99 % within ${latencyText(slow)}`
  })
  return `${name} latency by percentile. ${parts.join('. ')}.`
}

/** Four charts of a pass, second by second. Empty when no server was asked, or for less than two seconds. */
export function timelinePlots({ name, timeline }: Pass, colour: string, palette: Palette): Plot[] {
  if (timeline.seconds.length < 2) return []
  const plot = (
    title: string,
    yText: (value: number) => string,
    [main, other]: readonly Column[],
    yIncrements?: readonly number[],
  ): Plot => {
    // The line that is drawn last lies on top.
    const lines = [...(other === undefined ? [] : [{ ...other, colour: 'line-3' }]), { ...main!, colour }]
    return new Plot({
      title,
      summary: `${title} of ${name}, second by second. ${lines.map((line) => `${line.name}: ${spanOf(line, yText)}`).join('. ')}.`,
      palette,
      x: timeline.seconds,
      lines,
      scales: { x: { time: false, range: [0, timeline.seconds.at(-1)!] }, y: { range: fromZero } },
      ...(yIncrements === undefined ? {} : { yIncrements }),
      xText: (seconds) => `${Math.round(seconds)} s`,
      yText,
      crosshair: name,
    })
  }
  return [
    plot('Samples a second', shortCount, [
      { name: 'written', values: timeline.writtenPerSecond },
      { name: 'sent', values: timeline.sentPerSecond },
    ]),
    plot('p99 of each second', latencyText, [
      { name: 'end to end', values: timeline.e2eP99Us },
      { name: 'durable', values: timeline.durableP99Us },
    ]),
    plot('Samples that wait', shortCount, [
      { name: 'in memory', values: timeline.inMemory },
      { name: 'on disk', values: timeline.spooled },
    ]),
    plot('Memory (RSS)', sizeText, [{ name: 'server', values: timeline.rssBytes }], POWERS_OF_TWO),
  ]
}

const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power)

interface Column {
  readonly name: string
  readonly values: readonly number[]
}

function fromZero(_plot: uPlot, _min: number | null, max: number | null): uPlot.Range.MinMax {
  return [0, (max || 1) * 1.1]
}

function spanOf({ values }: Column, text: (value: number) => string): string {
  return `${text(Math.min(...values))} to ${text(Math.max(...values))}`
}
