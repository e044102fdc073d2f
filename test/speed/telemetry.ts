import { randomBytes } from 'node:crypto'
import { until } from '../support/servers.ts'
import { type FabricStack, withFabric } from './fabric-stack.ts'
import { rawAnswerOf, startBare, startFastify } from './plain-servers.ts'
import type { Context, Outcome, Row } from './row.ts'
import { CONNECTIONS, ratioOf, sideBySide } from './side-by-side.ts'

const SWITCHES = 50
/** Ten times as often as usual, so that each turn has its cycles. */
const INTERVAL_MS = 1_000
export const GET_METRIC = '/telemetry/GetMetric?switch_id=sw5&metric=latency_ms'
export const LIST_METRICS = '/telemetry/ListMetrics'

export const getMetric = rowOf('get-metric', 'GetMetric', GET_METRIC)
export const getMetricWithKey = rowOf('get-metric-key', 'GetMetric with an API key', GET_METRIC, {
  asksForKey: true,
  besideBare: 0.55,
})
export const listMetrics = rowOf('list-metrics', `ListMetrics of ${SWITCHES} switches`, LIST_METRICS)

/** @param asksForKey whether the API asks for a key. All three servers are sent it; the plain ones do not look at it. */
function rowOf(id: string, name: string, path: string, { asksForKey = false, besideBare = 0.6 } = {}): Row {
  return {
    id,
    page: 'fabric',
    what: `${name} as a client of the network gets it, through a proxy and with its limits counted, ${CONNECTIONS} connections, while a cycle a second goes through the whole pipeline; beside a bare node:http and a fastify that answer a constant: the same headers and bytes`,
    command: `npm run speed -- --rows ${id}`,
    figures: [
      { name: 'beside bare', unit: '×', decimals: 3, reach: { atLeast: besideBare } },
      { name: 'beside fastify', unit: '×', decimals: 3, ...(asksForKey ? {} : { reach: { atLeast: 0.9 } }) },
      { name: 'answers', unit: 'requests/s', decimals: 0 },
      { name: 'bare', unit: 'requests/s', decimals: 0 },
      { name: 'fastify', unit: 'requests/s', decimals: 0 },
      { name: 'server CPU', unit: 'µs/request', decimals: 1 },
      { name: 'bare CPU', unit: 'µs/request', decimals: 1 },
      { name: 'fastify CPU', unit: 'µs/request', decimals: 1 },
    ],
    run: (context) =>
      withFabric({ generator: [`--switches=${SWITCHES}`, `--interval-ms=${INTERVAL_MS}`] }, context, (stack) =>
        compare(stack, path, asksForKey, context),
      ),
  }
}

async function compare(stack: FabricStack, path: string, asksForKey: boolean, context: Context): Promise<Outcome> {
  const { signal } = context
  const key = asksForKey ? randomBytes(32).toString('base64url') : undefined
  const headers: Record<string, string> = key === undefined ? {} : { 'X-API-Key': key }
  const header = key === undefined ? {} : { header: `X-API-Key: ${key}` }
  const api = await stack.startApi(undefined, key)
  await stack.startAgent(INTERVAL_MS)
  const url = api.url + path
  await until('the fabric shows', async () => (await fetch(url, { headers })).ok)
  const answer = await rawAnswerOf(url, headers)
  const bare = await startBare(answer, signal)
  try {
    const fastify = await startFastify(answer, signal)
    try {
      const ours = { url, pid: api.program.pid, ...header }
      const plain = { bare: { ...bare, ...header }, fastify: { ...fastify, ...header } }
      const seen = await sideBySide({ ours, ...plain }, context)
      return {
        figures: {
          'beside bare': ratioOf(seen.ours, seen.bare),
          'beside fastify': ratioOf(seen.ours, seen.fastify),
          answers: seen.ours.rate,
          bare: seen.bare.rate,
          fastify: seen.fastify.rate,
          'server CPU': seen.ours.serverCpuUs,
          'bare CPU': seen.bare.serverCpuUs,
          'fastify CPU': seen.fastify.serverCpuUs,
        },
        notes: [`at its limit: ${seen.ours.busiest} for ours, ${seen.bare.busiest} for bare`],
      }
    } finally {
      await fastify.stop()
    }
  } finally {
    await bare.stop()
  }
}
