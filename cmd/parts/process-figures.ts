import type { Figure } from '../../internal/observe/own-figures.ts'
import { ProcessMeter } from '../../internal/observe/process.ts'

/** What the process costs the host, for its own sample: read once a sample, in this order. */
export function processFigures(): Record<string, Figure> {
  const meter = new ProcessMeter()
  let figures = meter.read()
  return {
    cpu_percent: [
      'float',
      () => {
        figures = meter.read()
        return figures.cpuPercent
      },
    ],
    rss_bytes: ['int', () => figures.rssBytes],
  }
}
