import { countText } from '../../internal/text/count.ts'
import { lostOf, p99Of, withScene } from './play.ts'
import type { Figure, Outcome, Row } from './row.ts'

interface Bounds {
  readonly internalUs?: number
  readonly e2eMs: number
  readonly durableMs: number
}

export const latency25 = rowOf(25_000, { internalUs: 20, e2eMs: 5, durableMs: 50 })
export const latency100 = rowOf(100_000, { e2eMs: 10, durableMs: 100 })

function rowOf(ratePerSecond: number, { internalUs, e2eMs, durableMs }: Bounds): Row {
  const internal: Figure = { name: 'internal p99', unit: 'µs', decimals: 0 }
  return {
    id: `latency-${ratePerSecond / 1000}k`,
    page: 'speed',
    what: `Latency at ${countText(ratePerSecond)} Packed messages/s, open loop, from the time at which each was due`,
    command: `RATE=${ratePerSecond} DURATION=30s bash scripts/benchmark.sh`,
    figures: [
      internalUs === undefined ? internal : { ...internal, reach: { atMost: internalUs } },
      { name: 'e2e p99', unit: 'ms', decimals: 2, reach: { atMost: e2eMs } },
      { name: 'durable p99', unit: 'ms', decimals: 1, reach: { atMost: durableMs } },
      { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
    ],
    samples: ({ seconds }) => ratePerSecond * seconds,
    run: (context) =>
      withScene(
        { pipeline: 'ours', broker: 'pubsub', serverCount: 1 },
        context,
        async ({ play, stack }): Promise<Outcome> => {
          const load = await play({ format: 'packed', ratePerSecond })
          return {
            figures: {
              'internal p99': p99Of(load, 'internal') * 1000,
              'e2e p99': p99Of(load, 'e2e'),
              'durable p99': p99Of(load, 'durable'),
              lost: lostOf(load),
            },
            versions: stack.versions,
          }
        },
      ),
  }
}
