import type { Figure } from '../../internal/text/figure.ts'

/** `12.4 %`, `100 %`. */
export function percentFigure(percent: number): Figure {
  return { text: percent >= 99.95 ? percent.toFixed(0) : percent.toFixed(1), unit: '%' }
}

export type Level = 'ok' | 'warning' | 'critical'

/** The thresholds of every percentage on the page. */
export function levelOf(percent: number): Level {
  if (percent >= 90) return 'critical'
  return percent >= 75 ? 'warning' : 'ok'
}
