import { median } from '../bench/median.ts'
import { metric } from '../support/api.ts'
import { sleep, until } from '../support/servers.ts'
import { type Cycle, cyclesOf, nextCycles, ShownWatch } from './cycles.ts'
import { DATABASE, type FabricStack, type Part, withFabric } from './fabric-stack.ts'
import { rssMBOf } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'
import { GET_METRIC } from './telemetry.ts'

const SWITCHES = 50
/** The least: more cycles in the same time. */
const SMALL_INTERVAL_MS = 1_000
/** Code is compiled in them. */
const SMALL_WARM_UP = 10

export const PORTS = 100_000
export const UFM = ['--profile=ufm', '--switches=3125', '--ports-per-switch=32', '--seed=7']
/** InfluxDB on the same two cores takes half a minute for a cycle. */
const LARGE_INTERVAL_MS = 45_000
const LARGE_WARM_UP = 1
const LARGE_CYCLES = 3
const STORED_EVERY_MS = 20
/** A column without empty cells. */
const FIELD = 'PortXmitDataExtended'

const MEMORY_CYCLES = 20
const MEMORY_INTERVAL_MS = 10_000
const RSS_EVERY_MS = 50

export const cycle50: Row = {
  id: 'cycle-50',
  page: 'fabric',
  what: `A cycle of ${SWITCHES} switches from the generator's answer to the end: parsed, put into Redis, shown by the API, all samples at the publisher; without the network wait`,
  command: 'npm run speed -- --rows cycle-50',
  figures: [
    { name: 'cycle', unit: 'ms', decimals: 1, reach: { atMost: 20 } },
    { name: 'slowest of a hundred', unit: 'ms', decimals: 1 },
    { name: 'fetch', unit: 'ms', decimals: 1 },
    { name: 'parse', unit: 'ms', decimals: 1 },
    { name: 'put and announce', unit: 'ms', decimals: 1 },
    { name: 'publish', unit: 'ms', decimals: 1 },
  ],
  run: (context) =>
    withFabric(
      { generator: [`--switches=${SWITCHES}`, `--interval-ms=${SMALL_INTERVAL_MS}`] },
      context,
      async (stack) => {
        const { signal, settings, say } = context
        const api = await stack.startApi()
        const { program } = await stack.startAgent(SMALL_INTERVAL_MS)
        await nextCycles(program, SMALL_WARM_UP, SMALL_INTERVAL_MS, signal)
        const watch = new ShownWatch(api.url + GET_METRIC, 1)
        try {
          const count = Math.max(10, Math.round((settings.seconds * 1000) / SMALL_INTERVAL_MS))
          say(`${count} cycles`)
          const cycles = (await nextCycles(program, count + 1, SMALL_INTERVAL_MS, signal)).slice(0, count)
          const took = cycles.map((cycle) => {
            const endMs = Math.max(watch.shownAtMs(cycle), cycle.endedAtMs)
            return endMs - cycle.beganAtMs - cycle.fetchMs
          })
          return {
            figures: {
              cycle: median(took),
              'slowest of a hundred': took.toSorted((a, b) => a - b)[Math.ceil(took.length * 0.99) - 1]!,
              ...phasesOf(cycles),
            },
          } satisfies Outcome
        } finally {
          await watch.stop()
        }
      },
    ),
}

export const cycle100k: Row = {
  id: 'cycle-100k',
  page: 'fabric',
  what: `A cycle of ${PORTS.toLocaleString('en')} ports of 31 counters: from its begin until the API shows it, and until InfluxDB has all of it`,
  command: 'npm run speed -- --rows cycle-100k',
  figures: [
    { name: 'shown after', unit: 's', decimals: 2, reach: { atMost: 1.85 } },
    { name: 'fetch', unit: 'ms', decimals: 0 },
    { name: 'parse', unit: 'ms', decimals: 0 },
    { name: 'put and announce', unit: 'ms', decimals: 0 },
    { name: 'swap in the API', unit: 'ms', decimals: 0 },
    { name: 'publish', unit: 'ms', decimals: 0 },
    { name: 'stored after', unit: 's', decimals: 2 },
    { name: 'lost', unit: 'rows', decimals: 0, reach: { atMost: 0 } },
  ],
  samples: () => (LARGE_WARM_UP + LARGE_CYCLES) * PORTS * 16,
  run: (context) =>
    withFabric({ generator: [...UFM, `--interval-ms=${LARGE_INTERVAL_MS}`] }, context, (stack) =>
      watchLarge(stack, context),
    ),
}

async function watchLarge(stack: FabricStack, { signal, say }: Context): Promise<Outcome> {
  const api = await stack.startApi()
  const agent = await startBetweenSnapshots(stack, LARGE_INTERVAL_MS)
  say('warming up')
  await nextCycles(agent.program, LARGE_WARM_UP, LARGE_INTERVAL_MS, signal)
  await storedAtMs(stack, agent)
  const watch = new ShownWatch(`${api.url}/telemetry/GetMetric?switch_id=${await portOf(api.url)}&metric=${FIELD}`, 5)
  try {
    const cycles: Cycle[] = []
    const stored: number[] = []
    for (let n = 1; n <= LARGE_CYCLES; n++) {
      say(`cycle ${n} of ${LARGE_CYCLES}`)
      const [cycle] = await nextCycles(agent.program, 1, LARGE_INTERVAL_MS, signal)
      stored.push((await storedAtMs(stack, agent)) - cycle!.beganAtMs)
      cycles.push(cycle!)
    }
    const shown = cycles.map((cycle) => watch.shownAtMs(cycle) - cycle.beganAtMs)
    return {
      figures: {
        'shown after': median(shown) / 1000,
        ...phasesOf(cycles),
        'swap in the API': median(cycles.map((cycle) => watch.shownAtMs(cycle) - cycle.announcedAtMs)),
        'stored after': median(stored) / 1000,
        lost: (LARGE_WARM_UP + LARGE_CYCLES) * PORTS - (await storedRows(stack)),
      },
    }
  } finally {
    await watch.stop()
  }
}

export const cycleMemory: Row = {
  id: 'cycle-memory',
  page: 'fabric',
  what: `Memory of the agent over ${MEMORY_CYCLES} cycles of ${PORTS.toLocaleString('en')} ports of 31 counters, from its start; the growth is from the most of the first half to the most of the second`,
  command: 'npm run speed -- --rows cycle-memory',
  figures: [
    { name: 'RSS at most', unit: 'MB', decimals: 0, reach: { atMost: 250 } },
    { name: 'growth', unit: '%', decimals: 1, reach: { atMost: 5 } },
    { name: 'RSS between cycles', unit: 'MB', decimals: 0 },
  ],
  samples: () => MEMORY_CYCLES * PORTS * 16,
  run: (context) =>
    withFabric({ generator: [...UFM, `--interval-ms=${MEMORY_INTERVAL_MS}`], stores: false }, context, (stack) =>
      watchMemory(stack, context),
    ),
}

async function watchMemory(stack: FabricStack, { signal, say }: Context): Promise<Outcome> {
  const { program } = await startBetweenSnapshots(stack, MEMORY_INTERVAL_MS)
  /** By cycle: the most since the one before. */
  const most: number[] = []
  let least = Number.POSITIVE_INFINITY
  for (let rssMB = 0, done = 0; done < MEMORY_CYCLES; await sleep(RSS_EVERY_MS)) {
    signal.throwIfAborted()
    const now = rssMBOf(program.pid)
    rssMB = Math.max(rssMB, now)
    least = Math.min(least, now)
    if (cyclesOf(program).length === done) continue
    done = cyclesOf(program).length
    say(`cycle ${done} of ${MEMORY_CYCLES}: ${rssMB.toFixed(0)} MB`)
    most.push(rssMB)
    ;[rssMB, least] = [0, done < MEMORY_CYCLES ? Number.POSITIVE_INFINITY : least]
  }
  const half = Math.floor(most.length / 2)
  const [first, second] = [Math.max(...most.slice(0, half)), Math.max(...most.slice(half))]
  return {
    figures: {
      'RSS at most': Math.max(first, second),
      growth: (second / first - 1) * 100,
      'RSS between cycles': least,
    },
    notes: [`the most of each cycle, MB: ${most.map((rssMB) => rssMB.toFixed(0)).join(' ')}`],
  }
}

/** Starts an agent whose cycles begin half an interval after the generator has made another snapshot: that takes a second of a core. */
export async function startBetweenSnapshots({ counters, startAgent }: FabricStack, intervalMs: number): Promise<Part> {
  const tagOf = async (): Promise<string | null> => (await fetch(counters, { method: 'HEAD' })).headers.get('etag')
  const first = await tagOf()
  await until('the generator has another snapshot', async () => (await tagOf()) !== first, 2 * intervalMs)
  await sleep(intervalMs / 2)
  return startAgent(intervalMs)
}

/** One of the ports that an API shows. */
export async function portOf(apiUrl: string): Promise<string> {
  const answer = await fetch(`${apiUrl}/telemetry/ListMetrics?limit=1`)
  const [row] = (await answer.json()) as [Readonly<Record<string, unknown>>]
  return Object.keys(row)[0]!
}

function phasesOf(cycles: readonly Cycle[]): Readonly<Record<string, number>> {
  return {
    fetch: median(cycles.map(({ fetchMs }) => fetchMs)),
    parse: median(cycles.map(({ parseMs }) => parseMs)),
    'put and announce': median(cycles.map(({ swapMs }) => swapMs)),
    publish: median(cycles.map(({ publishMs }) => publishMs)),
  }
}

/** Waits until neither the agent nor the server holds anything. @returns ms since the epoch */
async function storedAtMs({ store }: FabricStack, agent: Part): Promise<number> {
  await until(
    'all is stored',
    async () => {
      const unsent = await metric(agent.admin, 'sentinel_outbox_samples')
      const held = unsent === 0 ? await metric(store!.server.admin, 'sentinel_held_samples') : unsent
      if (held > 0) await sleep(STORED_EVERY_MS)
      return held === 0
    },
    120_000,
  )
  return Date.now()
}

async function storedRows({ store }: FabricStack): Promise<number> {
  const q = `SELECT count(${FIELD}) FROM fabric_port`
  const answer = await fetch(`${store!.influx.url}/query?${new URLSearchParams({ db: DATABASE, q })}`)
  const { results } = (await answer.json()) as { results: [{ series: [{ values: [[string, number]] }] }] }
  return results[0].series[0].values[0][1]
}
