import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from '../bench/median.ts'
import { ApiClient } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, startInflux } from '../support/servers.ts'
import { DAY_S, GPUS, gpuDay, tagsOf, yesterdayS } from './gpu-day.ts'
import type { Context, Outcome, Row } from './row.ts'

const BUCKETS = 300
const EVERY_S = DAY_S / BUCKETS
const REQUESTS = 300
/** InfluxDB reads one series for each, however many there are. */
const GPUS_IN_INFLUX = 20

const WHAT = `The history of one GPU over 24 h at a sample a second, in ${BUCKETS} buckets (GET /api/v1/gpus/{id}/metrics of \`sentinel up\`), ${REQUESTS} requests one after the other, each of another GPU`

export const gpuHistory: Row = {
  id: 'gpu-history',
  page: 'speed',
  what: `${WHAT}; DuckDB with ${GPUS.toLocaleString('en')} GPUs, ${(GPUS * DAY_S).toLocaleString('en')} samples of 12 figures`,
  command: 'npm run speed -- --rows gpu-history',
  figures: [
    { name: 'p99', unit: 'ms', decimals: 1, reach: { atMost: 50 } },
    { name: 'p50', unit: 'ms', decimals: 1 },
  ],
  run: async ({ say, signal }): Promise<Outcome> => {
    const path = await gpuDay(say)
    return withUp({ args: [`--duckdb-path=${path}`] }, async (api) => {
      const ids = Array.from({ length: REQUESTS }, (_, i) => (i * 37) % GPUS)
      const tookMs: number[] = []
      for (const n of ids) tookMs.push(await timed(() => ask(api, n), signal))
      const sorted = tookMs.toSorted((a, b) => a - b)
      return { figures: { p99: sorted[Math.ceil(REQUESTS * 0.99) - 1]!, p50: median(tookMs) } }
    })
  },
}

export const gpuHistoryInflux: Row = {
  id: 'gpu-history-influx',
  page: 'speed',
  what: `${WHAT}; InfluxDB with ${GPUS_IN_INFLUX} GPUs, each question also asked of InfluxDB itself`,
  command: 'npm run speed -- --rows gpu-history-influx',
  figures: [
    { name: 'what InfluxDB itself takes', unit: '×', decimals: 3, reach: { atLeast: 0.8 } },
    { name: 'p50', unit: 'ms', decimals: 1 },
    { name: 'InfluxDB p50', unit: 'ms', decimals: 1 },
  ],
  run: runInflux,
}

async function runInflux({ say, signal }: Context): Promise<Outcome> {
  const influx = await startInflux()
  try {
    say('writing a day')
    await fill(influx.url)
    return await withUp({ env: { INFLUX_URL: influx.url } }, async (api) => {
      const [ours, theirs]: [number[], number[]] = [[], []]
      for (let i = 0; i < REQUESTS; i++) {
        const n = i % GPUS_IN_INFLUX
        const both = [
          async () => void ours.push(await timed(() => ask(api, n), signal)),
          async () => void theirs.push(await timed(() => askInflux(influx.url, n), signal)),
        ]
        // Whoever asks second finds the blocks in memory.
        for (const one of i % 2 === 0 ? both : both.toReversed()) await one()
      }
      const figures = { p50: median(ours), 'InfluxDB p50': median(theirs) }
      return { figures: { 'what InfluxDB itself takes': figures['InfluxDB p50'] / figures.p50, ...figures } }
    })
  } finally {
    await influx.stop()
  }
}

async function withUp<T>(
  options: { args?: string[]; env?: Record<string, string> },
  use: (api: ApiClient) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-speed-'))
  const [apiPort, adminPort] = [await freePort(), await freePort()]
  const args = [
    'up',
    `--api-port=${apiPort}`,
    `--admin-port=${adminPort}`,
    `--data-path=${folder}`,
    ...(options.args ?? []),
  ]
  const up = startProgram('sentinel', { args, ...(options.env === undefined ? {} : { env: options.env }) })
  try {
    const api = new ApiClient(apiPort)
    await api.firstHost(120_000)
    return await use(api)
  } finally {
    await up.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function timed(question: () => Promise<number>, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted()
  const startedMs = performance.now()
  const points = await question()
  const tookMs = performance.now() - startedMs
  if (points !== BUCKETS) throw new Error(`${points} points`)
  return tookMs
}

async function ask(api: ApiClient, n: number): Promise<number> {
  const range = `start=${yesterdayS()}000000&end=${yesterdayS() + DAY_S}000000&every=${EVERY_S}s`
  const path = `/api/v1/gpus/GPU-${n}/metrics?field=utilization_percent&${range}`
  const { status, body } = await api.json<{ series: Array<{ points: unknown[] }> }>(path)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.series[0]!.points.length
}

async function askInflux(url: string, n: number): Promise<number> {
  const range = `time >= ${yesterdayS()}s AND time < ${yesterdayS() + DAY_S}s`
  const q = `SELECT mean("utilization_percent") FROM "gpu" WHERE ${range} AND "uuid" = 'GPU-${n}' GROUP BY time(${EVERY_S}s), * fill(none)`
  const answer = await fetch(`${url}/query`, {
    method: 'POST',
    body: new URLSearchParams({ db: 'telemetry', epoch: 'u', q }),
  })
  const { results } = (await answer.json()) as { results: Array<{ series: Array<{ values: unknown[] }> }> }
  return results[0]!.series[0]!.values.length
}

async function fill(url: string): Promise<void> {
  await fetch(`${url}/query`, { method: 'POST', body: new URLSearchParams({ q: 'CREATE DATABASE telemetry' }) })
  for (let n = 0; n < GPUS_IN_INFLUX; n++) {
    const head = `gpu,${tagsOf(n)
      .map(([key, value]) => `${key}=${value.replaceAll(' ', '\\ ')}`)
      .join()}`
    for (let from = 0; from < DAY_S; from += 10_800) {
      const lines = Array.from({ length: 10_800 }, (_, i) => {
        const s = from + i
        const busy = 50 + Math.floor(49 * Math.sin((s + n * 7) / 97))
        return `${head} utilization_percent=${busy},power_watts=${200 + busy * 5},temperature_celsius=${30 + (busy >> 1)} ${yesterdayS() + s}`
      })
      const answer = await fetch(`${url}/write?db=telemetry&precision=s`, { method: 'POST', body: lines.join('\n') })
      if (answer.status !== 204) throw new Error(await answer.text())
    }
  }
}
