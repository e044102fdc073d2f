import type { Sample } from '../sample/sample.ts'
import type { Slot } from '../sample/value.ts'
import { CONTRACT_DAY_US, newName, newSeries, SECOND_US, sampleOf } from './harness.contract.ts'
import { type Aggregate, bySeries, type HistoryQuery, type HistorySeries } from './store.ts'

/** A value of a field as it was written. Of two values with the same time, the later in the list counts. */
interface Written {
  readonly tags: Readonly<Record<string, string>>
  readonly field: string
  readonly atUs: number
  readonly tie: number
  readonly value: number
}

/** Samples of five series over two days, out of order, with gaps and repeats. The same seed gives the same samples. */
export function randomData(seed: number): { measurement: string; written: Written[]; samples: Sample[] } {
  const random = randomNumbers(seed)
  const measurement = newName('random')
  const sets: Array<Record<string, string>> = [
    { host: 'a', cpu: 'cpu0' },
    { host: 'a', cpu: 'cpu1' },
    { host: 'b', cpu: 'cpu0' },
    { host: 'b', cpu: 'cpu1' },
    { host: 'c' },
  ]
  const series = sets.map((tags) => newSeries({ f: 'float', i: 'int', late: 'float' }, tags, measurement))
  const written: Written[] = []
  const samples: Sample[] = []
  for (let n = 0; n < 6000; n++) {
    const which = Math.floor(random() * sets.length)
    // Half of the samples are close to midnight, so seconds repeat and times collide. The others are spread over two days.
    const spread = n % 2 === 0 ? 100 : 2 * 86_400
    const atUs = CONTRACT_DAY_US + Math.round((random() - 0.5) * spread * 4) * (SECOND_US / 4)
    const tie = Math.floor(random() * 2)
    const values: Slot[] = [
      random() < 0.9 ? Math.round((random() - 0.3) * 1e6) / 100 : undefined,
      random() < 0.9 ? Math.round((random() - 0.5) * 2000) : undefined,
      n > 3000 && random() < 0.5 ? random() : undefined,
    ]
    if (values.every((value) => value === undefined)) continue
    samples.push(sampleOf(series[which]!, values, atUs, tie))
    values.forEach((value, i) => {
      const field = series[which]!.fieldNames[i]!
      if (typeof value === 'number') written.push({ tags: sets[which]!, field, atUs, tie, value })
    })
  }
  return { measurement, written, samples }
}

/** Mulberry32: numbers in [0, 1) that are the same on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What `history` must answer, computed in the simplest way. */
export function reference(written: readonly Written[], query: HistoryQuery): HistorySeries[] {
  const found: HistorySeries[] = []
  for (const field of query.fields) {
    const series = new Map<string, { tags: Readonly<Record<string, string>>; values: Map<string, Written> }>()
    for (const one of written) {
      if (one.field !== field || one.atUs < query.startUs || one.atUs >= query.endUs) continue
      if (Object.entries(query.tags).some(([key, value]) => (one.tags[key] ?? '') !== value)) continue
      const key = JSON.stringify(one.tags)
      const known = series.get(key) ?? { tags: one.tags, values: new Map<string, Written>() }
      series.set(key, known)
      known.values.set(`${one.atUs} ${one.tie}`, one)
    }
    const ofField = [...series.values()].map(({ tags, values }) => ({ tags, field, points: buckets(values, query) }))
    found.push(...ofField.sort(bySeries))
  }
  return found
}

function buckets(values: Map<string, Written>, { everyUs, aggregate }: HistoryQuery): Array<[number, number]> {
  const ordered = [...values.values()].sort((a, b) => a.atUs - b.atUs || a.tie - b.tie)
  const byBucket = new Map<number, number[]>()
  for (const { atUs, value } of ordered) {
    const start = Math.floor(atUs / everyUs) * everyUs
    const inBucket = byBucket.get(start) ?? []
    byBucket.set(start, inBucket)
    inBucket.push(value)
  }
  return [...byBucket].map(([start, inBucket]) => [start, aggregated(inBucket, aggregate)])
}

function aggregated(values: readonly number[], aggregate: Aggregate): number {
  const ascending = values.toSorted((a, b) => a - b)
  const ofRank = (percent: number): number => ascending[Math.floor((values.length * percent) / 100 + 0.5) - 1]!
  switch (aggregate) {
    case 'mean':
      return values.reduce((sum, value) => sum + value, 0) / values.length
    case 'min':
      return ascending[0]!
    case 'max':
      return ascending.at(-1)!
    case 'last':
      return values.at(-1)!
    case 'p50':
      return ofRank(50)
    case 'p90':
      return ofRank(90)
    case 'p99':
      return ofRank(99)
  }
}

/**
 * Replaces values that differ from the expected ones only by rounding: a store may add up a mean in any order.
 */
export function snapped(found: readonly HistorySeries[], want: readonly HistorySeries[]): HistorySeries[] {
  return found.map((series, s) => ({
    ...series,
    points: series.points.map(([at, value], p) => {
      const wanted = want[s]?.points[p]?.[1] ?? Number.NaN
      const isClose = Math.abs(Number(value) - Number(wanted)) <= 1e-9 * Math.max(1, Math.abs(Number(wanted)))
      return [at, isClose ? wanted : value] as const
    }),
  }))
}
