import { build, initWebAssembly } from 'hdr-histogram-js'
import { bench, describe } from 'vitest'
import { Histogram } from './histogram.ts'

const RECORDS = 100_000
const LARGEST = 0xffff_ffff
/** Latencies of 20 µs to 5 ms, in no order that a cache would like. */
const values = Array.from({ length: RECORDS }, (_, i) => 20 + ((i * 7919) % 4980))

await initWebAssembly()
const options = { highestTrackableValue: LARGEST, numberOfSignificantValueDigits: 3, bitBucketSize: 32 } as const
const ours = new Histogram()
const javaScript = build(options)
const webAssembly = build({ ...options, useWebAssembly: true })

describe('100,000 records', () => {
  bench('ours', () => {
    for (const value of values) ours.record(value)
  })
  bench('hdr-histogram-js, WebAssembly', () => {
    for (const value of values) webAssembly.recordValue(value)
  })
  bench('hdr-histogram-js, JavaScript', () => {
    for (const value of values) javaScript.recordValue(value)
  })
})
