interface FakeEvent {
  readonly kind: 'xid' | 'link_down'
  readonly text: string
  readonly secondsAgo: number
}

/** The GPUs of the fake API, on the hosts `node-1`, `node-2` …, eight each. */
export interface FakeGpus {
  readonly count: number
  /** The places of those that have said nothing for three minutes. */
  readonly stale?: readonly number[]
  /** The place of one with an Xid. */
  readonly xid?: number
  /** All figures stand still. */
  readonly still?: boolean
  /** What happened, by seconds before now. */
  readonly events?: readonly FakeEvent[]
}

const GPUS_PER_HOST = 8
const STALE_MS = 180_000
const COLUMNS = [
  'n',
  'state',
  'seen',
  'utilization_percent',
  'memory_percent',
  'temperature_celsius',
  'power_watts',
  'xid',
]
const MEMORY_BYTES = 80 * 2 ** 30

const hostOf = (n: number): string => `node-${Math.floor(n / GPUS_PER_HOST) + 1}`
const uuidOf = (n: number): string => `GPU-${n.toString(16).padStart(8, '0')}`

/** How busy a GPU is, 0 to 1: a wave of its own, so that history and live samples agree. */
function loadOf(n: number, atMs: number): number {
  if (n % 11 === 5) return 0
  return 0.55 + 0.4 * Math.sin(n * 1.7 + Math.floor(atMs / 1000) / 23) + 0.05 * Math.sin(n + Math.floor(atMs / 1000))
}

function fieldsOf(n: number, atMs: number): Record<string, number> {
  const load = loadOf(n, atMs)
  const used = MEMORY_BYTES * (0.05 + 0.85 * load)
  return {
    utilization_percent: 100 * load,
    memory_copy_percent: 60 * load,
    tensor_ratio: 0.6 * load,
    memory_used_bytes: used,
    memory_free_bytes: MEMORY_BYTES - used,
    temperature_celsius: 31 + 45 * load,
    memory_temperature_celsius: 35 + 50 * load,
    power_watts: 76 + 610 * load,
    power_limit_watts: 700,
    sm_clock_hertz: (345 + 1635 * load) * 1e6,
    memory_clock_hertz: 2619e6,
    pcie_rx_bytes_per_second: 9.7e9 * load,
    pcie_tx_bytes_per_second: 4.1e9 * load,
  }
}

const numbers = ({ count }: FakeGpus): number[] => Array.from({ length: count }, (_, n) => n)

/** `event: gpus` of `/api/v1/gpus/live`. */
export function gpuList(gpus: FakeGpus): unknown {
  const list = numbers(gpus).map((n) => ({
    ...{ n, uuid: uuidOf(n), gpu_id: `${n % GPUS_PER_HOST}`, device_id: `nvidia${n % GPUS_PER_HOST}` },
    ...{ model_name: 'NVIDIA H100 80GB HBM3', hostname: hostOf(n), mig: null, container: null },
    ...{ pod: n % 11 === 5 ? null : `train-${n}`, namespace: n % 11 === 5 ? null : 'ml' },
  }))
  return { version: 1, whole: true, gpus: list }
}

/** `event: figures` of the same. */
export function gpuFigures(gpus: FakeGpus, atMs: number): unknown {
  const rows = numbers(gpus).map((n) => {
    if (gpus.stale?.includes(n)) return [n, 1, (atMs - STALE_MS) * 1000, null, null, null, null, null]
    const of = fieldsOf(n, gpus.still ? 0 : atMs)
    const memory = (100 * of.memory_used_bytes!) / MEMORY_BYTES
    const figures = [of.utilization_percent!, memory, of.temperature_celsius!, of.power_watts!]
    return [n, 0, null, ...figures.map((value) => Math.round(value * 10) / 10), n === gpus.xid ? 79 : 0]
  })
  return { version: 1, newest: atMs * 1000, columns: COLUMNS, rows }
}

const tagsOf = (n: number) => ({ host: hostOf(n), uuid: uuidOf(n), gpu: `${n % GPUS_PER_HOST}`, model: 'NVIDIA H100' })
const numberOf = (uuid: string): number => Number.parseInt(uuid.slice('GPU-'.length), 16)

/** `GET /api/v1/gpus/{id}/metrics`: a point a bucket, since ten minutes ago. */
export function gpuHistory(uuid: string, query: URLSearchParams, nowMs: number): unknown {
  const n = numberOf(uuid)
  const [start, end] = ['start', 'end'].map((name) => Number(query.get(name)) / 1000) as [number, number]
  const every = query.get('every') ?? '1s'
  const everyMs = Number.parseFloat(every) * (every.endsWith('ms') ? 1 : 1000)
  const from = Math.max(start, nowMs - 600_000)
  const series = (query.get('field') ?? '').split(',').flatMap((field) => {
    if (!(field in fieldsOf(n, 0))) return []
    const points: [number, number][] = []
    for (let at = Math.ceil(from / everyMs) * everyMs; at < Math.min(end, nowMs); at += everyMs)
      points.push([at * 1000, fieldsOf(n, at)[field]!])
    return [{ field, tags: tagsOf(n), points }]
  })
  return { gpu_id: uuid, series }
}

/** `/api/v1/live?gpu=`. */
export function gpuSamples(gpus: FakeGpus, uuid: string, atMs: number): unknown[] {
  const n = numberOf(uuid)
  if (!(n < gpus.count) || gpus.stale?.includes(n)) return []
  return [{ measurement: 'gpu', tags: tagsOf(n), fields: fieldsOf(n, atMs), at: atMs * 1000, arrivedAt: atMs * 1000 }]
}

/** `GET /api/v1/events`. */
export function eventsAnswer(gpus: FakeGpus | undefined, startedAtMs: number): unknown {
  const events = (gpus?.events ?? []).map(({ secondsAgo, ...event }) => ({
    ...event,
    ...{ at: (startedAtMs - secondsAgo * 1000) * 1000, value: null, host: null, gpu: null, switch: null },
  }))
  return { everyMs: 1000, truncated: false, events: events.toSorted((a, b) => a.at - b.at) }
}
