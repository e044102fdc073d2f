import { type Histogram, HistogramLogReader } from 'hdr-histogram-js'

/** The intervals of a `.hlog`, as HdrHistogram's own reader sees them. */
export function readHistogramLog(text: string): Histogram[] {
  const reader = new HistogramLogReader(text, 64)
  const found: Histogram[] = []
  for (let one = reader.nextIntervalHistogram(); one !== null; one = reader.nextIntervalHistogram()) found.push(one)
  return found
}
