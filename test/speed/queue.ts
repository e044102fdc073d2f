import { median } from '../bench/median.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, startRedis } from '../support/servers.ts'
import { runHelper, startHelper } from './processes.ts'
import type { Context, Outcome, Row } from './row.ts'

/** The result of one queue-client-process.ts. */
export interface QueueRun {
  readonly messages: number
  /** Messages a second. */
  readonly produceRate: number
  /** Messages a second that were consumed and acked. */
  readonly consumeRate: number
  readonly produceP99Ms: number
  readonly ackP99Ms: number
}

/** They take turns, so that a disturbance hits both. */
const TURNS = 5
/** What is consumed was all produced before: the gateway is to have it in Redis, as the bare one has. */
const NO_BOUND = '--queue-max-unacked=10000000'

export const queue1 = rowOf(1)
export const queue4 = rowOf(4)
export const queue16 = rowOf(16)

function rowOf(partitions: number): Row {
  const id = `queue-${partitions}`
  return {
    id,
    page: 'fabric',
    what: `The queue over HTTP, ${partitions} partition${partitions === 1 ? '' : 's'}: messages of 270 bytes over 32 connections, first produced, then consumed and acked one by one; beside a node:http that does nothing but XADD, XREADGROUP and XACK`,
    command: `npm run speed -- --rows ${id}`,
    figures: [
      { name: 'produce beside bare', unit: '×', decimals: 2, reach: { atLeast: 0.6 } },
      { name: 'consume + ack beside bare', unit: '×', decimals: 2, reach: { atLeast: 0.6 } },
      { name: 'produced', unit: 'msgs/s', decimals: 0 },
      { name: 'consumed + acked', unit: 'msgs/s', decimals: 0 },
      { name: 'produce p99', unit: 'ms', decimals: 2 },
      { name: 'ack p99', unit: 'ms', decimals: 2 },
      { name: 'bare produced', unit: 'msgs/s', decimals: 0 },
      { name: 'bare consumed + acked', unit: 'msgs/s', decimals: 0 },
      { name: 'bare produce p99', unit: 'ms', decimals: 2 },
      { name: 'bare ack p99', unit: 'ms', decimals: 2 },
    ],
    run: (context) => measure(partitions, context),
  }
}

async function measure(partitions: number, { settings, signal, say }: Context): Promise<Outcome> {
  const redis = await startRedis()
  const [port, adminPort] = [await freePort(), await freePort()]
  const program = startProgram('queue', {
    env: { REDIS_URL: redis.url },
    args: [`--queue-port=${port}`, `--admin-port=${adminPort}`, '--queue-max-topics=1000', NO_BOUND],
  })
  const bare = await startHelper('bare-queue', [`${redis.port}`], signal)
  try {
    await program.logged('started')
    const seconds = settings.seconds / TURNS / 2
    const run = (at: string, turn: number): Promise<QueueRun> =>
      runHelper('queue-client', [at, `turn-${turn}`, `${partitions}`, `${seconds}`], signal)
    const ours: QueueRun[] = []
    const others: QueueRun[] = []
    for (let turn = 1; turn <= TURNS; turn++) {
      say(`turn ${turn} of ${TURNS}`)
      ours.push(await run(`http://127.0.0.1:${port}`, turn))
      others.push(await run(`http://127.0.0.1:${bare.line}`, turn))
    }
    const of = (runs: QueueRun[], pick: (run: QueueRun) => number): number => median(runs.map(pick))
    const ratio = (pick: (run: QueueRun) => number): number =>
      median(ours.map((each, turn) => pick(each) / pick(others[turn]!)))
    return {
      figures: {
        'produce beside bare': ratio(({ produceRate }) => produceRate),
        'consume + ack beside bare': ratio(({ consumeRate }) => consumeRate),
        produced: of(ours, ({ produceRate }) => produceRate),
        'consumed + acked': of(ours, ({ consumeRate }) => consumeRate),
        'produce p99': of(ours, ({ produceP99Ms }) => produceP99Ms),
        'ack p99': of(ours, ({ ackP99Ms }) => ackP99Ms),
        'bare produced': of(others, ({ produceRate }) => produceRate),
        'bare consumed + acked': of(others, ({ consumeRate }) => consumeRate),
        'bare produce p99': of(others, ({ produceP99Ms }) => produceP99Ms),
        'bare ack p99': of(others, ({ ackP99Ms }) => ackP99Ms),
      },
    }
  } finally {
    await bare.stop()
    await program.stop()
    await redis.stop()
  }
}
