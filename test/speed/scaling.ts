import { countText } from '../../internal/text/count.ts'
import { cpuUsPerMessage, lostOf, p99Of, withScene } from './play.ts'
import type { Outcome, Row } from './row.ts'

/** Well below what one server carries: for the latency. */
const RATE = 30_000
const CLOSED_LOOP_RATE = 200_000

/** The same load, for so many servers of one group. */
export const SCALING: readonly Row[] = [1, 2, 4].map((serverCount) => ({
  id: `scaling-${serverCount}`,
  page: 'scaling',
  what: `${serverCount === 1 ? 'One server' : `${serverCount} servers of one group`}, streams, Packed; latency and CPU at ${countText(RATE)} messages/s`,
  command: `BROKER=streams SERVERS=${serverCount} bash scripts/benchmark.sh; BROKER=streams SERVERS=${serverCount} RATE=${RATE} bash scripts/benchmark.sh`,
  figures: [
    { name: 'messages, as fast as it goes', unit: '/s', decimals: 0 },
    { name: 'servers busy', unit: 'cores', decimals: 2 },
    { name: 'load generator busy', unit: 'cores', decimals: 2 },
    { name: 'server CPU', unit: 'µs/message', decimals: 2 },
    { name: 'e2e p99', unit: 'ms', decimals: 2 },
    { name: 'durable p99', unit: 'ms', decimals: 1 },
    { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
  ],
  samples: ({ seconds }) => (CLOSED_LOOP_RATE + RATE) * seconds,
  run: (context) =>
    withScene(
      { pipeline: 'ours', broker: 'streams', serverCount },
      context,
      async ({ play, stack }): Promise<Outcome> => {
        const closed = await play({ format: 'packed', ratePerSecond: undefined })
        const open = await play({ format: 'packed', ratePerSecond: RATE })
        const busySeconds = closed.seconds + closed.settleMs / 1000
        return {
          figures: {
            'messages, as fast as it goes': closed.messages / closed.seconds,
            'servers busy': closed.servers!.cpuUs / 1e6 / busySeconds,
            'load generator busy': closed.senderCpuUs / 1e6 / closed.seconds,
            'server CPU': cpuUsPerMessage(open),
            'e2e p99': p99Of(open, 'e2e'),
            'durable p99': p99Of(open, 'durable'),
            lost: lostOf(closed) + lostOf(open),
          },
          versions: stack.versions,
        }
      },
    ),
}))

/**
 * V8 compiles late what runs 10 to 40 times a second: four servers took 356 ms of CPU a second after 6 s, and 260 after 14.
 */
const WARMUP_MS = 10_000

export const everyday1 = everydayRow(1, 4)
export const everyday4 = everydayRow(4, 5)

/** @param mostCpuUs of all servers together, a message */
function everydayRow(serverCount: number, mostCpuUs: number): Row {
  const id = `streams-30k-${serverCount}`
  return {
    ...{ id, page: 'speed' },
    what: `${serverCount === 1 ? 'One server' : `${serverCount} servers of one group`}, streams, ${countText(RATE)} Packed messages/s, open loop, after ${WARMUP_MS / 1000} s of it`,
    command: `npm run speed -- --rows ${id}`,
    figures: [
      { name: 'server CPU', unit: 'µs/message', decimals: 2, reach: { atMost: mostCpuUs } },
      { name: 'e2e p99', unit: 'ms', decimals: 2 },
      { name: 'durable p99', unit: 'ms', decimals: 1, reach: { atMost: 50 } },
      { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
    ],
    samples: ({ seconds }) => RATE * (seconds + WARMUP_MS / 1000),
    run: (context) =>
      withScene(
        { pipeline: 'ours', broker: 'streams', serverCount },
        context,
        async ({ play, stack }): Promise<Outcome> => {
          const load = await play({ format: 'packed', ratePerSecond: RATE, warmupMs: WARMUP_MS })
          return {
            figures: {
              'server CPU': cpuUsPerMessage(load),
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
