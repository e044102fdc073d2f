import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Counts, countsOf } from '../../bench/load/counts.ts'
import type { LoadResult, TimelinePoint } from '../../bench/load/load.ts'
import type { Pass, Report } from '../../bench/report/report.ts'
import { Histogram } from '../../internal/observe/histogram.ts'
import { ProfileBuilder } from '../../internal/observe/profiling/builder.ts'
import { Sources } from '../../internal/observe/profiling/sources.ts'
import { Random } from './random.ts'

interface Course {
  readonly name: string
  readonly pipeline: Pass['pipeline']
  readonly format: Pass['format']
  readonly perSecond: number
  /** The median of the end-to-end latency, from which the other latencies are derived. */
  readonly e2eUs: number
  readonly cpuUs: number
  readonly heapBytes: number
  readonly lost?: number
}

const SECONDS = 20
const START_MS = Date.UTC(2026, 10, 24, 14, 3)

/** An invented report, the same each time: the plain pipeline, ours on the same messages, and ours on smaller ones. */
export function exampleReport(): Report {
  return {
    version: 1,
    startedAt: new Date(START_MS).toISOString(),
    machine: {
      cpu: 'Example CPU',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      kernel: 'Linux 6.1.0 x86_64',
      loadAverage: 0.04,
    },
    node: 'v20.20.1',
    packageVersion: '1.0.0',
    commit: { hash: '0123456789abcdef0123456789abcdef01234567', changed: true },
    command: 'WORKERS=16 DURATION=20s PIPELINE=compare bash scripts/benchmark.sh',
    settings: { workers: '16', duration: '20s', rate: 'none: closed loop', values: 'walk', hosts: '100' },
    stack: {
      kind: 'local',
      versions: { redis: '7.0.15', influxdb: '1.6.7', 'Node.js of the server': '24.22.3' },
      notes: ['Redis: without snapshots'],
    },
    passes: [
      passOf(
        {
          name: 'plain, json',
          pipeline: 'baseline',
          format: 'json',
          perSecond: 41_000,
          e2eUs: 5_200,
          cpuUs: 23.4,
          heapBytes: 3_900,
        },
        0,
      ),
      passOf(
        {
          name: 'ours, json',
          pipeline: 'ours',
          format: 'json',
          perSecond: 158_000,
          e2eUs: 1_400,
          cpuUs: 5.1,
          heapBytes: 410,
        },
        1,
      ),
      passOf(
        {
          name: 'ours, packed',
          pipeline: 'ours',
          format: 'packed',
          perSecond: 226_000,
          e2eUs: 900,
          cpuUs: 3.3,
          heapBytes: 96,
          lost: 12,
        },
        2,
      ),
    ],
  }
}

/** The example with profiles, which it writes into the folder. */
export async function exampleReportWithProfiles(folder: string): Promise<Report> {
  const report = exampleReport()
  await mkdir(folder, { recursive: true })
  const passes = await Promise.all(
    report.passes.map(async (pass, index) => {
      const cpu = join(folder, `cpu-${index}.pb.gz`)
      const heap = join(folder, `heap-${index}.pb.gz`)
      await writeFile(cpu, exampleProfile('cpu', 'nanoseconds', 10_000_000, index))
      await writeFile(heap, exampleProfile('alloc_space', 'bytes', 524_288, index))
      return { ...pass, profiles: { cpu, heap: [heap] } }
    }),
  )
  return { ...report, passes }
}

function passOf(course: Course, index: number): Pass {
  const { name, pipeline, format, perSecond, e2eUs, cpuUs, heapBytes, lost = 0 } = course
  const startMs = START_MS + 10_000 + index * 45_000
  const samples = perSecond * SECONDS
  const internal = format === 'json' ? 4 : 2
  const load: LoadResult = {
    messages: samples,
    samples,
    seconds: SECONDS,
    startUs: startMs * 1000,
    endUs: (startMs + SECONDS * 1000) * 1000,
    partial: false,
    unreceived: 0,
    unreceivedSamples: 0,
    lateness: spread(60, samples),
    reply: spread(e2eUs * 0.6, samples),
    senderCpuUs: 0.9e6 * SECONDS,
    settleMs: 40,
    servers: {
      latency: {
        internal: spread(internal, samples),
        e2e: spread(e2eUs, samples),
        durable: spread(e2eUs * 5, samples),
      },
      gc: spread(900, 60 * (index === 0 ? 20 : 2)),
      cpuUs: cpuUs * samples,
      rssBytes: (index === 0 ? 310 : 148) * 2 ** 20,
      ledger: {
        messages: samples - lost,
        received: samples - lost + 20,
        own: 20,
        ownDropped: 0,
        takenOver: 0,
        written: samples - lost + 20,
        rejected: 0,
        dropped: 0,
        held: 0,
        spooled: 0,
        lost,
        duplicates: 0,
        trimmed: 0,
      },
      allocations: {
        seconds: 10,
        samples: perSecond * 10,
        heapBytes: heapBytes * perSecond * 10,
        externalBytes: 14 * perSecond * 10,
        collections: 100,
        pauseUs: 90_000,
      },
    },
    stored: samples - lost,
    reportedLost: lost,
    balance: '',
    timeline: Array.from({ length: SECONDS }, (_, second) => secondOf(course, second)),
  }
  const profiles = { cpu: undefined, heap: [] }
  const condition = 'as fast as it can'
  return {
    name,
    condition,
    pipeline,
    format,
    serverCount: 1,
    startedAt: new Date(startMs).toISOString(),
    load,
    profiles,
    histograms: undefined,
  }
}

function secondOf({ perSecond, e2eUs, pipeline }: Course, second: number): TimelinePoint {
  const wave = Math.sin(second * 1.7)
  return {
    atMs: (second + 1) * 1000,
    sent: Math.round(perSecond * (second + 1)),
    written: Math.round(perSecond * (second + 1) - perSecond * 0.02 * (1 + wave)),
    held: Math.round(perSecond * 0.02 * (1 + wave)),
    spooled: 0,
    rssBytes: Math.round((pipeline === 'baseline' ? 260 : 130) * 2 ** 20 * (1 + 0.04 * wave + 0.005 * second)),
    p99: { internal: 12, e2e: Math.round(e2eUs * (3 + wave)), durable: Math.round(e2eUs * (12 + 3 * wave)) },
  }
}

/** Distributed as latencies are: most are near the median, few are far above it. */
function spread(medianUs: number, count: number): Counts {
  const histogram = new Histogram()
  const next = numbers(medianUs)
  const recorded = Math.min(count, 20_000)
  for (let i = 0; i < recorded; i++) {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
    histogram.record(Math.round(medianUs * Math.exp(0.6 * normal) * (next() < 0.002 ? 8 : 1)))
  }
  const counts = countsOf(histogram)
  const times = count / recorded
  return {
    count: counts.count * times,
    sum: counts.sum * times,
    max: counts.max,
    buckets: counts.buckets.map(([value, seen]) => [value, seen * times] as const),
  }
}

const CALLS: Readonly<Record<string, readonly string[]>> = {
  'onStreamRead|node:internal/stream_base_commons|167': ['readableAddChunk|node:internal/streams/readable|510'],
  'readableAddChunk|node:internal/streams/readable|510': ['execute|node_modules/redis-parser/lib/parser.js|499'],
  'execute|node_modules/redis-parser/lib/parser.js|499': [
    'returnReply|node_modules/ioredis/built/DataHandler.js|71',
    'parseBulk|node_modules/redis-parser/lib/parser.js|210',
  ],
  'returnReply|node_modules/ioredis/built/DataHandler.js|71': ['#message|internal/ingest/pipeline.ts|140'],
  '#message|internal/ingest/pipeline.ts|140': [
    'decode|internal/codec/packed.ts|31',
    'add|internal/store/influx/batch.ts|60',
    'record|internal/observe/histogram.ts|53',
  ],
  'add|internal/store/influx/batch.ts|60': ['writeLine|internal/format/line/encode.ts|88'],
  'writeLine|internal/format/line/encode.ts|88': ['latin1Write||0', 'toString||0'],
  'processTimers|node:internal/timers|499': ['#seal|internal/ingest/write-queue/write-queue.ts|201'],
  '#seal|internal/ingest/write-queue/write-queue.ts|201': ['write|internal/store/influx/writer.ts|77'],
  'write|internal/store/influx/writer.ts|77': ['request|node:http|108'],
}
const ROOTS = [
  'onStreamRead|node:internal/stream_base_commons|167',
  'processTimers|node:internal/timers|499',
  'Garbage Collection||0',
]

/** Samples a program that went deeper from call to call. */
export function exampleProfile(type: string, unit: string, step: number, seed: number, looks = 2_000): Buffer {
  const builder = new ProfileBuilder(new Sources('/nowhere'))
  const next = numbers(seed)
  for (let look = 0; look < looks; look++) {
    const stack: number[] = []
    let call: string | undefined = ROOTS[Math.floor(next() ** 3 * ROOTS.length)]
    while (call !== undefined) {
      const [name, file, line] = call.split('|')
      stack.unshift(builder.location(name!, file!, Number(line)))
      const callees: readonly string[] = next() < 0.15 ? [] : (CALLS[call] ?? [])
      call = callees[Math.floor(next() ** 2 * callees.length)]
    }
    builder.add(stack, [step])
  }
  const profile = builder.build({
    program: 'server',
    sampleTypes: [[type, unit]],
    defaultSampleType: type,
    period: [type, unit, step],
    startedAtMs: START_MS,
    durationMs: SECONDS * 1000,
    comments: [],
  })
  return gzipSync(profile.encode())
}

/** Numbers from 0 to below 1, the same for the same seed. */
function numbers(seed: number): () => number {
  const random = new Random(Math.round(seed), 0)
  return () => random.next() / 2 ** 32
}
