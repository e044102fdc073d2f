import { type Figure, figureText, scaled, threeDigits, UNKNOWN } from '../../internal/text/figure.ts'
import type { Comparison } from '../shared/url-state.ts'
import { millisecondsOf, numberOf, type Panel, type Reader } from './panel.ts'
import { CounterRates } from './rates.ts'

const PREFIXES = ['', ' k', ' M', ' G', ' T', ' P', ' E']
/** From here on a number is written with its power of ten: no prefix is known for it. */
const LARGEST = 1e21
const SMALLEST = 0.005

/** A value of a metric, whose unit its name tells or nobody knows: `12.3 M`, `5.48e-7`. */
export function metricFigure(value: number): Figure {
  const size = Math.abs(value)
  if (size >= LARGEST || (size > 0 && size < SMALLEST)) return { text: value.toExponential(2), unit: '' }
  if (size < 1000) return { text: Number.isInteger(value) ? value.toFixed(0) : threeDigits(value), unit: '' }
  const { text, unit } = scaled(value, 1000, PREFIXES, '')
  return { text, unit: unit.trim() }
}

/** The same as a rate. */
export function rateFigure(value: number): Figure {
  const { text, unit } = metricFigure(value)
  return { text, unit: `${unit}/s` }
}

/** A value as a map and a list say it. */
export function valueText(value: number | string | null | undefined, by: Comparison): string {
  if (typeof value === 'number') return figureText((by === 'rate' ? rateFigure : metricFigure)(value))
  return value ?? UNKNOWN
}

/** The chart of one metric of one switch or port. */
export function metricPanel(measurement: string, metric: string, by: Comparison): Panel {
  const format = by === 'rate' ? rateFigure : metricFigure
  return {
    id: 'metric',
    title: metric,
    measurement,
    fields: [metric],
    aggregate: by === 'rate' ? 'last' : 'mean',
    lines: [{ column: metric, label: by === 'rate' ? 'a second' : 'value' }],
    stacked: false,
    axis: 'decimal',
    leastStep: 0.01,
    format,
    makeReader: () => (by === 'rate' ? readRate(metric) : readValue(metric)),
    headline(value) {
      const newest = value(metric)
      return [{ figure: newest === null ? null : format(newest) }]
    },
  }
}

function readValue(metric: string): Reader {
  return (sample, put) => {
    const value = numberOf(sample.fields[metric])
    if (value !== null) put(metric, millisecondsOf(sample), value)
  }
}

function readRate(metric: string): Reader {
  const rates = new CounterRates()
  return (sample, put) => {
    const value = numberOf(sample.fields[metric])
    const rate = value === null ? undefined : rates.next(metric, millisecondsOf(sample), value)
    if (rate !== undefined) put(metric, millisecondsOf(sample), rate)
  }
}
