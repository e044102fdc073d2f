import { median } from '../bench/median.ts'
import { type Cycle, nextCycles, ShownWatch } from './cycles.ts'
import { PORTS, portOf, startBetweenSnapshots, UFM } from './fabric-cycle.ts'
import { type Api, type FabricStack, type Part, withFabric } from './fabric-stack.ts'
import { runHelper } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'
import { CONNECTIONS, FROM_ELSEWHERE } from './side-by-side.ts'

/** What steady-client-process.ts prints: request by request, ms since the epoch and ms. */
export interface Answered {
  readonly dueAtMs: number[]
  readonly tookMs: number[]
}

/** Far below what the API can answer: a queue of its own making would hide the swap. */
const RATE = 2_000
/** Twice as often as usual, and more cycles a turn: a swap takes 0.2 s, so that one request in a hundred of a few swaps is a dozen requests, which one pause decides. */
const INTERVAL_MS = 5_000
const TURNS = 2
const CYCLES = 8
const METRIC = 'PortXmitDataExtended'

export const swap: Row = {
  id: 'swap',
  page: 'fabric',
  what: `p99 of GetMetric, ${RATE} requests/s over ${CONNECTIONS} connections, while the API reads ${PORTS.toLocaleString('en')} ports and swaps to them; beside the same load at the same time of the same cycle on an API that does not hear of it`,
  command: 'npm run speed -- --rows swap',
  figures: [
    { name: 'beside no swap', unit: '×', decimals: 2, reach: { atMost: 2 } },
    { name: 'p99, swap', unit: 'ms', decimals: 1 },
    { name: 'p99, no swap', unit: 'ms', decimals: 1 },
    { name: 'slowest, swap', unit: 'ms', decimals: 1 },
    { name: 'slowest, no swap', unit: 'ms', decimals: 1 },
    { name: 'swap in the API', unit: 'ms', decimals: 0 },
  ],
  run: (context) =>
    withFabric({ generator: [...UFM, `--interval-ms=${INTERVAL_MS}`], stores: false }, context, (stack) =>
      compare(stack, context),
    ),
}

async function compare(stack: FabricStack, context: Context): Promise<Outcome> {
  const elsewhere = await stack.startRedis()
  await pushTo(await stack.startApi(elsewhere.url), stack.counters)
  const agent = await startBetweenSnapshots(stack, INTERVAL_MS)
  await nextCycles(agent.program, 1, INTERVAL_MS, context.signal)
  const seen = { swap: [] as Loaded[], none: [] as Loaded[] }
  for (let turn = 1; turn <= TURNS; turn++) {
    context.say(`turn ${turn} of ${TURNS}, with swaps`)
    seen.swap.push(await load(stack, agent, stack.redis.url, context))
    context.say(`turn ${turn} of ${TURNS}, without`)
    seen.none.push(await load(stack, agent, elsewhere.url, context))
  }
  const swapMs = median(seen.swap.flatMap(({ swapsMs }) => swapsMs))
  const withSwap = seen.swap.flatMap(({ cycles, swapsMs, answered }) =>
    cycles.flatMap((cycle, n) => within(answered, cycle, swapsMs[n]!)),
  )
  const without = seen.none.flatMap(({ cycles, answered }) =>
    cycles.flatMap((cycle) => within(answered, cycle, swapMs)),
  )
  return {
    figures: {
      'beside no swap': p99Of(withSwap) / p99Of(without),
      'p99, swap': p99Of(withSwap),
      'p99, no swap': p99Of(without),
      'slowest, swap': Math.max(...withSwap),
      'slowest, no swap': Math.max(...without),
      'swap in the API': swapMs,
    },
    notes: [`of ${withSwap.length} requests during ${TURNS * CYCLES} swaps, and ${without.length} beside`],
  }
}

/** The rows of now, for an API whose Redis no agent writes to. */
async function pushTo(api: Api, counters: string): Promise<void> {
  const csv = await (await fetch(counters)).arrayBuffer()
  const answer = await fetch(`${api.url}/telemetry/counters`, {
    method: 'POST',
    body: csv,
    headers: { 'content-type': 'text/csv' },
  })
  if (answer.status !== 202) throw new Error(`the push was answered with ${answer.status}: ${await answer.text()}`)
  await api.program.stop()
}

interface Loaded {
  readonly cycles: readonly Cycle[]
  /** By cycle: from the announcement until it is shown; empty for an API that does not hear of it. */
  readonly swapsMs: readonly number[]
  readonly answered: Answered
}

/** Puts the load on an API that is started for it, during some cycles after its first. */
async function load(
  { redis, startApi }: FabricStack,
  agent: Part,
  redisUrl: string,
  { signal }: Context,
): Promise<Loaded> {
  const api = await startApi(redisUrl)
  try {
    await nextCycles(agent.program, 1, INTERVAL_MS, signal)
    const url = `${api.url}/telemetry/GetMetric?switch_id=${await portOf(api.url)}&metric=${METRIC}`
    const watch = new ShownWatch(url, 5)
    try {
      const seconds = ((CYCLES + 0.5) * INTERVAL_MS) / 1000
      const args = [url, `${CONNECTIONS}`, `${RATE}`, `${seconds}`, FROM_ELSEWHERE]
      const answering = runHelper<Answered>('steady-client', args, signal)
      const [cycles, answered] = await Promise.all([nextCycles(agent.program, CYCLES, INTERVAL_MS, signal), answering])
      const swaps = redisUrl === redis.url
      const swapsMs = swaps ? cycles.map((cycle) => watch.shownAtMs(cycle) - cycle.announcedAtMs) : []
      return { cycles, swapsMs, answered }
    } finally {
      await watch.stop()
    }
  } finally {
    await api.program.stop()
  }
}

/** What the requests took that were due in so many ms from the announcement on. */
function within({ dueAtMs, tookMs }: Answered, { announcedAtMs }: Cycle, ms: number): number[] {
  return tookMs.filter((_took, n) => dueAtMs[n]! >= announcedAtMs && dueAtMs[n]! < announcedAtMs + ms)
}

function p99Of(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1]!
}
