import { bench, describe } from 'vitest'
import { SeriesTable } from '../../sample/series.ts'
import { HOST_MEASUREMENTS, HostSource } from './source.ts'

/**
 * Back to back, with warm caches; an agent that sleeps for a second between two ticks pays several times as much CPU
 * for each.
 */
describe('one tick of the host source on this machine', () => {
  let atUs = Date.now() * 1000
  for (const include of [...HOST_MEASUREMENTS.map((name) => [name]), HOST_MEASUREMENTS]) {
    const source = new HostSource({ host: 'bench', table: new SeriesTable(), include, onProblem: () => {} })
    bench(include.length === 1 ? include[0]! : 'all', async () => {
      atUs += 1e6
      await source.collect(atUs, () => {})
    })
  }
})
