import { Redis } from 'ioredis'
import { DcgmProfile } from '../../internal/generator/dcgm.ts'
import { SnapshotWriter } from '../../internal/generator/snapshot.ts'
import { metric } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { serveMetrics } from '../support/scraped-server.ts'
import { freePort, sleep, startRedis, until } from '../support/servers.ts'
import { growthPercent } from './growth.ts'
import { cpuUsOf, rssMBOf } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'

const LINES = 100_000
const INTERVAL_MS = 2_000
/** Code is compiled in them, and the heap comes to its size. */
const WARM_UP = 5
const SCRAPES = 30
/** Answers that take turns. */
const ANSWERS = 3
const GPUS = 4_200
const RSS_EVERY_MS = 100

export const scrapeSeries = rowOf('scrape', 'of as many series', async () =>
  Array.from({ length: ANSWERS }, (_, turn) => seriesText(turn)),
)
export const scrapeGpus = rowOf('scrape-gpus', `of ${GPUS.toLocaleString('en')} GPUs`, async () => {
  const writer = new SnapshotWriter(new DcgmProfile({ generation: 'from49', gpus: GPUS, seed: 7 }))
  const texts: string[] = []
  for (let turn = 0; turn < ANSWERS; turn++)
    texts.push(Buffer.concat((await writer.write(1e15 + turn * 30e6)).body.pieces).toString())
  return texts
})

function rowOf(id: string, of: string, texts: () => Promise<string[]>): Row {
  return {
    id,
    page: 'sources',
    what: `An agent scrapes ${LINES.toLocaleString('en')} lines ${of} every ${INTERVAL_MS / 1000} s, ${SCRAPES} times: its CPU from the question until all is sent, its children included, and its memory`,
    command: `npm run speed -- --rows ${id}`,
    figures: [
      { name: 'CPU a scrape', unit: 's', decimals: 2, reach: { atMost: 0.5 } },
      { name: 'RSS at most', unit: 'MB', decimals: 0 },
      { name: 'growth', unit: '%', decimals: 1, reach: { atMost: 5 } },
    ],
    run: async (context) => run(context, await texts()),
  }
}

/** As kube-state-metrics has them: a label set a series. */
function seriesText(turn: number): string {
  const lines = Array.from({ length: LINES }, (_, i) => `kube_pod_status_ready{namespace="team-${i % 40}",pod="worker-${i}-7f9c",uid="5d2b7a1e-0f0a-${i}"} ${(i + turn) % 1000}\n`) // biome-ignore format: one line
  return lines.join('')
}

async function run({ signal, say }: Context, texts: readonly string[]): Promise<Outcome> {
  const redis = await startRedis()
  let turn = 0
  const server = await serveMetrics(() => texts[turn++ % texts.length]!)
  const adminPort = await freePort()
  const admin = `http://127.0.0.1:${adminPort}`
  // Somebody has to listen, or the agent would keep what it makes.
  const listener = new Redis(redis.url, { lazyConnect: true })
  listener.on('error', () => {})
  let program: ReturnType<typeof startProgram> | undefined
  try {
    await listener.subscribe('metrics')
    const args = [`--redis-url=${redis.url}`, `--admin-port=${adminPort}`, '--agent-interval-ms=1h']
    program = startProgram('agent', {
      args: [...args, `--scrape-targets=${server.url}`, `--scrape-interval-ms=${INTERVAL_MS}`, '--scrape-gzip=false'],
    })
    const { pid } = program
    const done = (): Promise<number> => metric(admin, 'sentinel_scrape_duration_seconds_count')
    say('until the agent has settled')
    await until('it has settled', async () => (await done().catch(() => 0)) >= WARM_UP, 60_000)
    say(`${SCRAPES} scrapes`)
    const before = { scrapes: await done(), cpuUs: cpuUsOf(pid) }
    const rss: number[] = []
    const endMs = performance.now() + SCRAPES * INTERVAL_MS
    for (; performance.now() < endMs && !signal.aborted; await sleep(RSS_EVERY_MS)) rss.push(rssMBOf(pid))
    signal.throwIfAborted()
    const scrapes = (await done()) - before.scrapes
    return {
      figures: {
        'CPU a scrape': (cpuUsOf(pid) - before.cpuUs) / 1e6 / scrapes,
        'RSS at most': Math.max(...rss),
        growth: growthPercent(rss),
      },
      notes: [`${scrapes} scrapes of ${(texts[0]!.length / 1e6).toFixed(1)} MB`],
    }
  } finally {
    await program?.stop()
    listener.disconnect()
    await server.close()
    await redis.stop()
  }
}
