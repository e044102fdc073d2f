import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type FluxRow, runFlux } from '../../../test/support/flux.ts'
import { readTemplate } from './dashboards.ts'

const WINDOW_MS = 10_000
/** A moment at which a window begins. */
const WINDOW_AT = 1_795_400_000_000

/** The query of each cell that shows rates. */
const RATES = readTemplate(
  readFileSync(new URL('../../../deploy/influxdb/template.yml', import.meta.url), 'utf8'),
  'telemetry',
).flatMap((resource) => {
  const { spec } = resource as { spec: { charts?: Array<{ name: string; queries: Array<{ query: string }> }> } }
  const cells = (spec.charts ?? []).map(
    ({ name, queries }) => [name, queries.map(({ query }) => query).join()] as const,
  )
  return cells.filter(([, query]) => /derivative|difference|increase|rate/.test(query.replace(/^import.*/gm, '')))
})

interface Counter {
  readonly host: string
  readonly interface: string
  readonly bytesPerSecond: number
  readonly everyMs?: number
  /** Seconds after WINDOW_AT at which the counter begins at 0 again. */
  readonly restartsAt?: number
  readonly stacked?: 'true'
}

/** Samples of a counter, from ten minutes before WINDOW_AT to two after it. They lie 300 ms beside the seconds. */
function samplesOf({ bytesPerSecond, everyMs = 1000, restartsAt, ...tags }: Counter): FluxRow[] {
  const rows: FluxRow[] = []
  const restartedMs = restartsAt === undefined ? Infinity : WINDOW_AT + restartsAt * 1000
  for (let time = WINDOW_AT - 600_000 + 300; time < WINDOW_AT + 120_000; time += everyMs) {
    const since = time >= restartedMs ? restartedMs : WINDOW_AT - 3_600_000
    const _value = ((time - since) / 1000) * bytesPerSecond
    rows.push({ _measurement: 'net', _field: 'bytes_recv', ...tags, _time: time, _value })
  }
  return rows
}

/** The points of each line of a cell: seconds after WINDOW_AT, and bytes a second. */
function linesOf(
  query: string,
  counters: readonly Counter[],
  fromS: number,
  toS: number,
): Array<Array<[number, number]>> {
  const v = {
    timeRangeStart: WINDOW_AT + fromS * 1000,
    timeRangeStop: WINDOW_AT + toS * 1000,
    windowPeriod: WINDOW_MS,
    ...{ host: 'web', sentinel_host: 'web' },
  }
  const lines = runFlux(query, counters.flatMap(samplesOf), v).filter(({ rows }) => rows.length > 0)
  return lines.map(({ rows }) =>
    rows.map(({ _time, _value }) => [(_time - WINDOW_AT) / 1000, Math.round(_value * 1e6) / 1e6]),
  )
}

it('are two: the network by interface, and by host', () => {
  expect(RATES.map(([name]) => name)).toEqual(['Network, by interface', 'Network, by host'])
})

describe.each(RATES)('%s', (_name, query) => {
  const eth0 = { host: 'web', interface: 'eth0', bytesPerSecond: 1000 }

  it('is right in the first and in the last window, wherever the range cuts them', () => {
    const full = [10, 20, 30].map((at) => [at, 1000])
    for (const fromS of [0, -1.5, -0.8, -9.9]) {
      for (const toS of [30.4, 31.5, 39.9]) {
        const first = fromS === 0 ? [] : [[0, 1000]]
        expect(linesOf(query, [eth0], fromS, toS)).toEqual([[...first, ...full, [toS, 1000]]])
      }
    }
  })

  it('is right for an agent that measures each minute', () => {
    const [line] = linesOf(query, [{ ...eth0, everyMs: 60_000 }], -90, 100)
    expect(line?.map(([, rate]) => rate)).toEqual([1000, 1000, 1000])
  })

  it('is never negative and never too high when a counter is restarted', () => {
    const lines = linesOf(query, [{ ...eth0, restartsAt: 15 }], -5, 35)
    expect(lines).toEqual([[[0, 1000], [10, 1000], [20, 1000], [30, 1000], [35, 1000]]]) // biome-ignore format: pairs
  })

  it('leaves out the windows in which the only sample is that of a restart', () => {
    const [line] = linesOf(query, [{ ...eth0, everyMs: 10_000, restartsAt: 15 }], 0, 40)
    expect(line).toEqual([[10, 1000], [20, 1000], [40, 1000]]) // biome-ignore format: pairs
  })
})

it('by host: adds the interfaces of each host at each moment, and none that stands on another', () => {
  const [, byHost] = RATES
  const counters: Counter[] = [
    { host: 'web', interface: 'eth0', bytesPerSecond: 1000 },
    { host: 'web', interface: 'eth1', bytesPerSecond: 500, restartsAt: 12 },
    { host: 'web', interface: 'br0', bytesPerSecond: 1500, stacked: 'true' },
    { host: 'db', interface: 'eth0', bytesPerSecond: 70 },
  ]
  const lines = linesOf(byHost![1], counters, -1.5, 21.5)
  const want = (rate: number): number[][] => [0, 10, 20, 21.5].map((at) => [at, rate])
  expect(lines).toHaveLength(2)
  expect(lines).toEqual(expect.arrayContaining([want(1500), want(70)]))
})
