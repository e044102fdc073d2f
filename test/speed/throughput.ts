import type { StackOptions } from '../../bench/stack/stack.ts'
import { writeBare } from './bare-writer.ts'
import { cpuText, sumOf } from './cores.ts'
import { problemOf } from './holds.ts'
import { cpuUsPerMessage, type Load, lostOf, type Played, SAMPLES_PER_FRAME, type Scene, withScene } from './play.ts'
import { highestRate } from './rate-search.ts'
import type { Context, Figure, Outcome, Row } from './row.ts'

/** Shorter ones tell less of a queue that grows slowly. */
const SHORT_TRY_MS = 4_000
const WARMUP_MS = { short: 1_000, whole: 2_000 }
/** Beyond it the load generator is the limit of this machine. */
const MOST_MESSAGES = 1_000_000
/** How often a row's store is given the load of its whole length, the short tries counted. */
const TRIES = 6
/**
 * No latency below 250 ms decides here, so the load generator sends what is due once a millisecond. At 2,500 frames a second it sent each by
 * itself, and took 55 µs of CPU for it in place of 26: CPU that the store lacked.
 */
const PAUSE_US = 1_000

interface Throughput {
  readonly id: string
  readonly what: string
  readonly broker: 'pubsub' | 'streams'
  readonly format: Load['format']
  /** InfluxDB unless told otherwise. */
  readonly store?: StackOptions['store']
  /** Samples a second; there the search begins. */
  readonly reach: number
  /** Something beside it, on the same servers. */
  readonly beside?: {
    readonly figures: readonly Figure[]
    measure(scene: Scene, found: Found, context: Context): Promise<Pick<Outcome, 'figures' | 'notes'>>
  }
}

interface Found {
  readonly samplesPerSecond: number
  readonly limit: string
  /** Undefined: no rate holds. */
  readonly load: Played | undefined
}

const FULL_PRECISION = 'samples, doubles of full precision'

const fullPrecision: Throughput['beside'] = {
  figures: [{ name: FULL_PRECISION, unit: '/s', decimals: 0 }],
  async measure(scene, found, context) {
    const from = foundBefore(context, FULL_PRECISION) ?? found.samplesPerSecond
    const { samplesPerSecond } = await search(scene, { format: 'packed', values: 'full' }, from, context)
    return { figures: { [FULL_PRECISION]: samplesPerSecond } }
  },
}

/**
 * All programs of a row share the cores of one machine, so the CPU that they take for a sample decides how near the rate comes to that of the
 * bare writer, which shares them with the store alone. Both rates swing with what else the machine does; the CPU swings less.
 */
const bareWriter: Throughput['beside'] = {
  figures: [
    { name: 'bare writer', unit: 'samples/s', decimals: 0 },
    { name: 'of the bare writer', unit: '%', decimals: 0, reach: { atLeast: 85 } },
    { name: 'of the bare writer, by CPU', unit: '%', decimals: 0 },
  ],
  async measure({ stack }, { samplesPerSecond, load }, { settings, signal, say }) {
    say(`a bare writer to the same store, ${settings.seconds} s`)
    const { samples, seconds, cpuUs } = await writeBare(stack, settings.seconds, signal)
    const bareUs = sumOf(cpuUs) / samples
    return {
      figures: {
        'bare writer': samples / seconds,
        'of the bare writer': (samplesPerSecond / (samples / seconds)) * 100,
        ...(load && { 'of the bare writer, by CPU': (bareUs / (sumOf(load.cost.cpuUs) / load.cost.samples)) * 100 }),
      },
      notes: [`bare writer: ${cpuText(cpuUs, samples)}`],
    }
  },
}

export const packed = rowOf({
  id: 'packed',
  what: 'One server, Packed, one message a sample, into a real InfluxDB: the highest rate at which all is stored',
  ...{ broker: 'pubsub', format: 'packed', reach: 220_000, beside: fullPrecision },
})
export const json = rowOf({
  id: 'json',
  what: 'The same with JSON',
  ...{ broker: 'pubsub', format: 'json', reach: 150_000 },
})
export const frames = rowOf({
  id: 'frames',
  what: `The same with frames of ${SAMPLES_PER_FRAME} samples, beside a program that only POSTs line protocol that is made already`,
  ...{ broker: 'pubsub', format: 'frame', reach: 300_000, beside: bareWriter },
})
export const framesVictoria = rowOf({
  id: 'frames-victoria',
  what: 'The same into VictoriaMetrics',
  ...{ broker: 'pubsub', format: 'frame', store: 'victoria', reach: 300_000, beside: bareWriter },
})
export const streams = rowOf({
  id: 'streams',
  what: 'Streams, at least once, Packed, one message a sample, into a real InfluxDB',
  ...{ broker: 'streams', format: 'packed', reach: 250_000 },
})
export const streamsFrames = rowOf({
  id: 'streams-frames',
  what: `The same with frames of ${SAMPLES_PER_FRAME} samples`,
  ...{ broker: 'streams', format: 'frame', reach: 200_000 },
})

function rowOf(throughput: Throughput): Row {
  const { id, what, broker, store, reach, beside, format } = throughput
  return {
    ...{ id, page: 'speed', what },
    command: `npm run speed -- --rows ${id}`,
    figures: [
      { name: 'samples', unit: '/s', decimals: 0, reach: { atLeast: reach } },
      { name: 'lost', unit: '', decimals: 0, reach: { atMost: 0 } },
      { name: 'server CPU', unit: 'µs/message', decimals: 2 },
      ...(beside?.figures ?? []),
    ],
    samples: ({ seconds }) => reach * 1.5 * seconds * TRIES,
    run: (context) =>
      withScene({ pipeline: 'ours', broker, store, serverCount: 1 }, context, async (scene): Promise<Outcome> => {
        const found = await search(scene, { format }, foundBefore(context, 'samples') ?? reach, context)
        const { load, samplesPerSecond, limit } = found
        const more = await beside?.measure(scene, found, context)
        return {
          figures: {
            samples: samplesPerSecond,
            ...(load && { lost: lostOf(load), 'server CPU': cpuUsPerMessage(load) }),
            ...more?.figures,
          },
          notes: [
            ...(limit === '' ? [] : [`the limit: ${limit}`]),
            ...(load ? [load.cores, cpuText(load.cost.cpuUs, load.cost.samples)] : []),
            ...(more?.notes ?? []),
          ],
          versions: scene.stack.versions,
        }
      }),
  }
}

/** Where a search begins that was made before: near to where it ended. */
function foundBefore({ earlier }: Context, figure: string): number | undefined {
  return earlier.at(-1)?.figures[figure] || undefined
}

async function search(
  { play }: Scene,
  load: Omit<Load, 'ratePerSecond'>,
  samplesPerSecond: number,
  context: Context,
): Promise<Found> {
  const perMessage = load.format === 'frame' ? SAMPLES_PER_FRAME : 1
  let held: Played | undefined
  const { rate, limit } = await highestRate({
    from: samplesPerSecond / perMessage,
    most: MOST_MESSAGES,
    problemAt: async (ratePerSecond, length) => {
      const wholeMs = context.settings.seconds * 1000
      const durationMs = length === 'whole' ? wholeMs : Math.min(SHORT_TRY_MS, wholeMs)
      const played = await play({
        ...load,
        ratePerSecond,
        durationMs,
        warmupMs: WARMUP_MS[length],
        leastPauseUs: PAUSE_US,
      })
      const problem = problemOf(played, Math.round(ratePerSecond))
      if (problem === '') held = played
      context.say(problem === '' ? 'holds' : problem)
      return problem
    },
  })
  return { samplesPerSecond: rate * perMessage, limit, load: rate === 0 ? undefined : held }
}
