import { Redis } from 'ioredis'
import { metric } from '../support/api.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, sleep, startRedis, until } from '../support/servers.ts'
import { cpuUsOf, rssMBOf } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'

/** Starting costs more than a minute of work. */
const SETTLE_MS = 15_000
/** Collections and slow sources come once in a while. */
const LEAST_SECONDS = 120

export const agent: Row = {
  id: 'agent',
  page: 'speed',
  what: 'Agent at 1 s with all host measurements, its children included, over two minutes, on Node.js 24',
  command: '. scripts/node.sh && use_node24 && npm run speed -- --rows agent',
  figures: [
    { name: 'CPU', unit: '% of a core', decimals: 2, reach: { atMost: 0.4 } },
    { name: 'RSS', unit: 'MB', decimals: 1, reach: { atMost: 58 } },
    { name: 'samples', unit: '/s', decimals: 1 },
  ],
  run,
}

async function run({ settings, signal, say }: Context): Promise<Outcome> {
  const redis = await startRedis()
  const adminPort = await freePort()
  const args = [`--redis-url=${redis.url}`, `--admin-port=${adminPort}`]
  // Somebody has to listen, or the agent would keep what it makes.
  const listener = new Redis(redis.url, { lazyConnect: true })
  listener.on('error', () => {})
  let program: ReturnType<typeof startProgram> | undefined
  try {
    await listener.subscribe('metrics')
    program = startProgram('agent', { args })
    const { pid } = program
    const admin = `http://127.0.0.1:${adminPort}`
    const sent = (): Promise<number> => metric(admin, 'sentinel_sent_samples_total')
    await until('the agent sends', async () => (await sent().catch(() => 0)) > 0)
    say('until the agent has settled')
    await sleep(SETTLE_MS)
    const seconds = Math.max(settings.seconds, LEAST_SECONDS)
    const before = { cpuUs: cpuUsOf(pid), sent: await sent(), atMs: performance.now() }
    let rssMB = 0
    say(`watching the agent for ${seconds} s`)
    for (const endMs = before.atMs + seconds * 1000; performance.now() < endMs && !signal.aborted; await sleep(1000)) {
      rssMB = Math.max(rssMB, rssMBOf(pid))
    }
    signal.throwIfAborted()
    const elapsedS = (performance.now() - before.atMs) / 1000
    const cpuUs = cpuUsOf(pid) - before.cpuUs
    return {
      figures: { CPU: (cpuUs / 1e6 / elapsedS) * 100, RSS: rssMB, samples: ((await sent()) - before.sent) / elapsedS },
      notes: [`RSS is the largest seen, once a second, on Node.js ${process.versions.node}`],
    }
  } finally {
    await program?.stop()
    listener.disconnect()
    await redis.stop()
  }
}
