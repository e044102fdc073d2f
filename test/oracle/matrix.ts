import { Redis } from 'ioredis'
import type { StoreFault } from '../support/influx-proxy.ts'
import * as fault from './faults.ts'
import type { BrokerKind, Scene, SceneOptions } from './scene.ts'

/** One line of the table. */
export interface Row {
  readonly broker: BrokerKind
  readonly fault: string
  /** Part of the short matrix, which runs with every change. */
  readonly isShort: boolean
  readonly options: Omit<SceneOptions, 'broker'>
  /** Runs before the first turn. */
  readonly prepare?: (scene: Scene) => Promise<void>
  readonly turn: fault.Turn
  /** An additional check at the end. @returns problems */
  readonly expect?: (scene: Scene) => string[]
  /** The turn is long and runs once. Other turns are repeated while the row has time. */
  readonly isOnce: boolean
}

type Extras = Partial<Omit<Row, 'broker' | 'fault' | 'turn'>>

function row(broker: BrokerKind, name: string, turn: fault.Turn, extras: Extras = {}): Row {
  return { broker, fault: name, turn, isShort: false, isOnce: false, options: {}, ...extras }
}

const both = (name: string, turn: fault.Turn, extras: Extras = {}): Row[] => [
  row('streams', name, turn, extras),
  row('pubsub', name, turn, extras),
]
const short: Extras = { isShort: true }
const always = { appendFsync: 'always' } as const
const MIB = 2 ** 20

const said = (status: number, body: string, more: Partial<Extract<StoreFault, { kind: 'status' }>> = {}): fault.Turn =>
  fault.storeFails({ kind: 'status', status, body, ...more })
const as27 = { options: { store: '2.7' } } as const

/** For `fault.serverStandsStill`: with small limits Redis soon disconnects a slow subscriber. */
async function allowLittle({ redis }: Scene): Promise<void> {
  const client = new Redis(redis.url)
  await client.config('SET', 'client-output-buffer-limit', 'pubsub 65536 32768 1')
  client.disconnect()
}

const HALF = 'store: 503 to every other write'
const CUT = 'store: closes in mid-answer'

/** Samples that come on other ways than an agent's own: whatever got its 2xx is owed, and each whole row of a file. */
function flows(): Row[] {
  const kinds = [
    ['intake', 'intake: API'],
    ['queue', 'queue: gateway'],
    ['GPU file', 'GPU file: agent'],
    ['GPU file, queue', 'GPU file through the queue: agent and gateway'],
  ] as const
  return kinds.flatMap(([flow, name]) => {
    const options = { flow, ...always, messagesPerSecond: 50 }
    const small = { ...options, smallDisk: { of: 'flow', bytes: 2 * MIB } } as const
    const [what] = name.split(':')
    return [
      row('streams', `${name}, server and Redis: kill -9`, fault.flowAndAllAreKilled, {
        options,
        isShort: flow === 'intake' || flow === 'queue',
      }),
      row('streams', `${name}: kill -9`, fault.flowIsKilled, { options: { flow, messagesPerSecond: 50 } }),
      row('streams', `${name}: SIGTERM`, fault.flowStops, { options: { flow, messagesPerSecond: 50 } }),
      ...(flow === 'intake' || flow === 'queue'
        ? [row('streams', `${name}: disk full while Redis is away, kill -9`, fault.flowHasNoRoom, { options: small })]
        : []),
      row('streams', `${what}: server: kill -9`, fault.serverIsKilled, { options: { flow, messagesPerSecond: 50 } }),
      row('streams', `${what}: Redis: kill -9 (appendfsync always)`, fault.redisEnds('SIGKILL'), { options }),
      row('streams', `${what}: Redis: kill -9 (appendfsync everysec)`, fault.redisForgets, {
        options: { ...options, appendFsync: 'everysec' },
      }),
    ]
  })
}

/** Bodies of the intake that are read by another code than lines. */
function otherBodies(): Row[] {
  return (['CSV', 'JSON', 'remote write'] as const).map((body) =>
    row('streams', `intake: API that gets ${body}, server and Redis: kill -9`, fault.flowAndAllAreKilled, {
      options: { flow: `intake, ${body}`, ...always, messagesPerSecond: 50 },
    }),
  )
}

export const MATRIX: readonly Row[] = [
  ...both('none', fault.nothing),

  ...both('publisher: SIGTERM', fault.publisherStops),
  ...both('publisher: kill -9', fault.publisherIsKilled, short),
  row('pubsub', 'publisher: kill -9 while no server listens', fault.publisherIsKilledUnheard, short),

  ...both('agent: kill -9 and SIGTERM', fault.agentEnds, { options: { agent: true, messagesPerSecond: 50 } }),

  row('streams', 'a switch fabric is asked; server and Redis: kill -9', fault.serverAndRedisAreKilled, {
    options: { ...always, flow: 'fabric', messagesPerSecond: 100 },
    ...short,
  }),

  ...flows(),
  ...otherBodies(),

  ...both('server: SIGTERM', fault.serverStops),
  ...both('server: kill -9', fault.serverIsKilled, short),
  ...both('server: kill -9 each second', fault.serverIsKilledEachSecond),
  ...both('server: kill -9 while the store is away', fault.serverIsKilledWithoutStore),
  ...both('server: SIGTERM while the store is away', fault.serverStopsWithoutStore),
  ...both('messages that nobody can read; server: kill -9', fault.unreadableMessages),
  row('pubsub', 'server: kill -9, beside publishers without numbers', fault.serverIsKilledBesideLegacy, {
    expect: ({ server }) =>
      server.summary.lost === 'unknown' ? [] : [`lost: ${server.summary.lost} is said, though it cannot be known`],
  }),
  ...both('server and publisher: SIGHUP, with and without the store', fault.reloads),
  row('streams', 'one of two servers: kill -9', fault.oneOfTwoIsKilled, {
    options: { servers: 2, serverArgs: ['--broker-visibility-ms=2s'] },
  }),
  row(
    'streams',
    'two servers, the store away for five visibility times',
    fault.storeFails({ kind: 'refuse' }, 10_000),
    {
      options: { servers: 2, serverArgs: ['--broker-visibility-ms=2s'] },
      ...short,
      isOnce: true,
    },
  ),
  row('streams', 'two servers, the store away for three minutes', fault.storeFails({ kind: 'refuse' }, 180_000), {
    options: { servers: 2 },
    isOnce: true,
  }),

  ...both('Redis: SIGTERM (append-only file)', fault.redisEnds('SIGTERM'), { options: always }),
  ...both('Redis: kill -9 (appendfsync always)', fault.redisEnds('SIGKILL'), { options: always, ...short }),
  ...both('Redis: kill -9 (appendfsync everysec)', fault.redisForgets, { options: { appendFsync: 'everysec' } }),
  ...both('Redis to server: connections half-open', fault.connectionsGoSilent('server'), {
    options: { redisProxies: true },
  }),
  ...both('Redis to publisher: connections half-open', fault.connectionsGoSilent('publisher'), {
    options: { redisProxies: true },
  }),
  ...both('Redis to server: silent for 12 s', fault.redisIs({ kind: 'silent' }, 'server', 12_000), {
    options: { redisProxies: true },
  }),
  ...both('Redis to publisher: silent for 12 s', fault.redisIs({ kind: 'silent' }, 'publisher', 12_000), {
    options: { redisProxies: true },
  }),
  ...both(
    'Redis to publisher: answers are lost',
    fault.redisIs({ kind: 'silent', only: 'answers' }, 'publisher', 12_000),
    {
      options: { redisProxies: true },
    },
  ),
  ...both('Redis: 200 ms late', fault.redisIs({ kind: 'slow', delayMs: 200 }, 'server', 4000), {
    options: { redisProxies: true },
  }),
  ...both('Redis to server: connections break', fault.connectionsBreak('server'), { options: { redisProxies: true } }),
  ...both('Redis to publisher: connections break', fault.connectionsBreak('publisher'), {
    options: { redisProxies: true },
  }),
  row('pubsub', 'Redis cuts off a slow server (output buffer)', fault.serverStandsStill, {
    options: { samplesAMessage: 20 },
    prepare: allowLittle,
  }),

  ...both('store: stopped', fault.storeEnds('SIGTERM'), short),
  ...both('store: kill -9', fault.storeEnds('SIGKILL')),
  ...both('store: refuses connections', fault.storeFails({ kind: 'refuse' })),
  ...both('store: 400 of InfluxDB 1.6 itself, a field of another type', fault.fieldOfAnotherType, {
    prepare: fault.cpuIsText,
  }),
  ...both('store: 400, single lines', fault.storeRefusesLines(400), { ...as27, ...short }),
  ...both('store: 422, single lines', fault.storeRefusesLines(422), as27),
  ...both('store: 401', said(401, '{"code":"unauthorized","message":"unauthorized access"}'), as27),
  ...both('store: 404', said(404, '{"code":"not found","message":"bucket \\"telemetry\\" not found"}'), as27),
  ...both('store: 413 above 4 KiB', fault.storeFails({ kind: 'too large', maxBytes: 4096 })),
  ...both(
    'store: 429, Retry-After 1 s',
    said(429, '{"code":"too many requests","message":"write rate limit"}', { headers: { 'retry-after': '1' } }),
  ),
  ...both('store: 500', said(500, '{"code":"internal error","message":"An internal error has occurred"}')),
  row('streams', HALF, said(503, '{"error":"timeout"}', { share: 0.5 })),
  row('pubsub', HALF, said(503, '{"error":"timeout"}', { share: 0.5 }), short),
  ...both('store: 2 s late', fault.storeFails({ kind: 'slow', delayMs: 2000 }, 8000)),
  ...both('store: silent (half-open)', fault.storeFails({ kind: 'silent' }, 12_000)),
  row('streams', CUT, fault.storeFails({ kind: 'cut answer' }), short),
  row('pubsub', CUT, fault.storeFails({ kind: 'cut answer' })),
  ...both('store: closes in mid-request', fault.storeFails({ kind: 'cut request' })),

  row('pubsub', 'server: disk full while the store is away', fault.storeFails({ kind: 'refuse' }, 15_000), {
    options: { smallDisk: { of: 'server', bytes: 2 * MIB } },
  }),
  row('pubsub', 'publisher: disk full while no server listens, SIGTERM', fault.publisherStopsUnheard, {
    options: { smallDisk: { of: 'agent', bytes: MIB } },
  }),

  row('pubsub', 'server restarted ten times, 5,000 messages/s', fault.serverRestartsTenTimes, {
    options: { messagesPerSecond: 5000, samplesAMessage: 1 },
    isOnce: true,
  }),
  ...both('store stopped for 60 s', fault.storeEnds('SIGTERM', 60_000), { isOnce: true }),
  ...both(
    'any of these, one after the other',
    fault.anyOf(
      [
        ...[fault.publisherStops, fault.publisherIsKilled, fault.serverStops, fault.serverIsKilled],
        ...[fault.serverIsKilledWithoutStore, fault.storeEnds('SIGKILL', 2000), fault.redisEnds('SIGKILL')],
        ...[fault.storeFails({ kind: 'cut answer' }), fault.storeFails({ kind: 'slow', delayMs: 500 })],
      ],
      42,
    ),
    { options: always },
  ),
]
