import type { LoadOptions } from '../../bench/load/load.ts'
import type { PipelineKind } from '../../bench/stack/stack.ts'
import { countText } from '../../internal/text/count.ts'
import { bytesPerMessage, cpuUsPerMessage, p99Of, withScene } from './play.ts'
import type { Context, Figure, Outcome, Row } from './row.ts'

/** The plain pipeline carries so many too, on two cores. */
const RATE = 20_000
/** A message, `JSON on both sides`. */
const MOST_BYTES_PERCENT = 20
/** A closed loop goes on for as many samples as the machine makes; of a fast one so many. */
const CLOSED_LOOP_RATE = 300_000

const FIGURES: readonly Figure[] = [
  { name: 'messages, as fast as it goes', unit: '/s', decimals: 0 },
  { name: 'allocated', unit: 'B/message', decimals: 0 },
  { name: 'server CPU', unit: 'µs/message', decimals: 2 },
  { name: 'e2e p99', unit: 'ms', decimals: 2 },
  { name: 'durable p99', unit: 'ms', decimals: 1 },
]

export const comparePlain = compareRow(
  'baseline',
  'json',
  'The plain way (JSON.parse, a Point each, the WriteApi of the client) on JSON',
)
export const compareJson = compareRow('ours', 'json', 'Ours on the same JSON')
export const comparePacked = compareRow('ours', 'packed', 'Ours on Packed')

export const allocations: Row = {
  id: 'allocations',
  page: 'speed',
  what: `Bytes allocated a message, on the heap and outside, JSON on both sides at ${countText(RATE)}/s, beside the plain pipeline (JSON.parse, a Point each, the WriteApi of the client)`,
  command: 'PIPELINE=compare bash scripts/benchmark.sh',
  figures: [
    { name: 'of the plain', unit: '%', decimals: 1, reach: { atMost: MOST_BYTES_PERCENT } },
    { name: 'ours', unit: 'B/message', decimals: 0 },
    { name: 'plain', unit: 'B/message', decimals: 0 },
  ],
  samples: ({ seconds }) => RATE * seconds,
  async run(context): Promise<Outcome> {
    const ours = await allocatedBy('ours', context)
    const plain = await allocatedBy('baseline', context)
    return { figures: { 'of the plain': (ours / plain) * 100, ours, plain } }
  },
}

function allocatedBy(pipeline: PipelineKind, context: Context): Promise<number> {
  return withScene({ pipeline, broker: 'pubsub', serverCount: 1 }, context, async ({ play }) =>
    bytesPerMessage(await play({ format: 'json', ratePerSecond: RATE })),
  )
}

function compareRow(pipeline: PipelineKind, format: LoadOptions['format'], what: string): Row {
  return {
    id: `compare-${pipeline}-${format}`,
    page: 'compare',
    what: `${what}; all but the throughput at ${countText(RATE)} messages/s`,
    command: 'PIPELINE=compare bash scripts/benchmark.sh',
    figures: FIGURES,
    samples: ({ seconds }) => CLOSED_LOOP_RATE * seconds,
    run: (context) =>
      withScene({ pipeline, broker: 'pubsub', serverCount: 1 }, context, async ({ play, stack }): Promise<Outcome> => {
        const open = await play({ format, ratePerSecond: RATE })
        const closed = await play({ format, ratePerSecond: undefined })
        return {
          figures: {
            'messages, as fast as it goes': closed.messages / closed.seconds,
            allocated: bytesPerMessage(open),
            'server CPU': cpuUsPerMessage(open),
            'e2e p99': p99Of(open, 'e2e'),
            'durable p99': p99Of(open, 'durable'),
          },
          notes: [open, closed].flatMap(({ balance }) => (balance === '' ? [] : [balance])),
          versions: stack.versions,
        }
      }),
  }
}
