import { build, initWebAssembly } from 'hdr-histogram-js'
import { bench, describe } from 'vitest'
import { counted } from '../../test/support/counted.ts'
import { Histogram } from './histogram.ts'

const RECORDS = 100_000
const LARGEST = 0xffff_ffff
/** Latencies of 20 µs to 5 ms, in an order that does not favour caches. */
const values = Array.from({ length: RECORDS }, (_, i) => 20 + ((i * 7919) % 4980))

await initWebAssembly()
const options = { highestTrackableValue: LARGEST, numberOfSignificantValueDigits: 3, bitBucketSize: 32 } as const
const ours = new Histogram()
const javaScript = build(options)
const webAssembly = build({ ...options, useWebAssembly: true })

describe('histogram: record', () => {
  const record = (): number => {
    const before = ours.count
    for (const value of values) ours.record(value)
    return ours.count - before
  }
  bench('ours', counted(RECORDS, 'value', record))
  bench('hdr-histogram-js, WebAssembly', () => {
    for (const value of values) webAssembly.recordValue(value)
  })
  bench('hdr-histogram-js, JavaScript', () => {
    for (const value of values) javaScript.recordValue(value)
  })
})

describe('histogram: what is asked of it', () => {
  const filled = new Histogram()
  for (const value of values) filled.record(value)
  const percentiles = Array.from({ length: 100 }, (_, n) => n + 0.9)
  bench(
    'percentile',
    counted(percentiles.length, 'percentile', () => {
      let rising = 0
      let before = 0
      for (const percentile of percentiles) {
        const value = filled.percentile(percentile)
        if (value > before) rising++
        before = value
      }
      return rising
    }),
  )
  bench(
    'add',
    counted(100, 'histogram', () => {
      const sum = new Histogram()
      for (let n = 0; n < 100; n++) sum.add(filled)
      return sum.count / filled.count
    }),
  )
})
