/** A fabric of the fake API. */
export interface FakeFabric {
  readonly rows: number
  /** Where rows are ports: how many a switch has. */
  readonly portsOfSwitch?: number
  /** What their nodes are described as; `leaf-1` … by default. */
  readonly nodes?: readonly string[]
  readonly stale?: boolean
  /** Its target does not answer, for this reason. */
  readonly error?: string
  /** The generation in which it stands still. */
  readonly generation?: number
}

const INTERVAL_MS = 2_000
const COUNTERS = new Set([
  'packet_errors',
  'PortXmitDataExtended',
  'PortRcvDataExtended',
  'PortXmitWait',
  'LinkDownedCounterExtended',
])

/** The number of the generation of now. */
function generationOf({ generation }: FakeFabric, nowMs: number): number {
  return generation ?? Math.floor(nowMs / INTERVAL_MS)
}

/** `GET /api/v1/fabrics`. */
export function fabricsAnswer(fabric: FakeFabric | undefined, nowMs: number): unknown {
  if (fabric === undefined) return { fabrics: [] }
  const { rows, portsOfSwitch, stale = false, error } = fabric
  const ageMs = stale ? 61_000 : nowMs % INTERVAL_MS
  const names =
    portsOfSwitch === undefined
      ? ['bandwidth_mbps', 'latency_ms', 'packet_errors', 'port_status']
      : ['PortXmitDataExtended', 'PortRcvDataExtended', 'PortXmitWait', 'LinkDownedCounterExtended']
  return {
    fabrics: [
      {
        ...{ fabric: 'default', subject: portsOfSwitch === undefined ? 'switch' : 'fabric_port', ageMs, stale, rows },
        generation: `g${generationOf(fabric, nowMs)}`,
        intervalMs: INTERVAL_MS,
        switches: Math.ceil(rows / (portsOfSwitch ?? 1)),
        metrics: names.map((name) => ({
          name,
          kind: name === 'port_status' ? 'text' : 'float',
          isCounter: COUNTERS.has(name),
        })),
        targets: [
          { target: 'http://127.0.0.1:9001/counters', up: error === undefined, ageMs, ...(error && { error }) },
        ],
      },
    ],
  }
}

/** The value of a row at a time: a wave over the rows, so that a map has a pattern. */
function cellOf(metric: string, row: number, atMs: number, by: string): number | string | null {
  if (metric === 'port_status') return row % 17 === 3 ? 'Down' : 'Active'
  if (row % 23 === 11) return null
  const phase = row / 7 + atMs / 30_000
  const level = 50 + ((row * 37) % 11)
  // A counter whose rate is the wave.
  if (COUNTERS.has(metric) && by === 'value') return Math.round(level * (atMs / 1000) - 40 * 30 * Math.cos(phase))
  return level + 40 * Math.sin(phase)
}

/** `GET /api/v1/fabrics/cells`. */
export function cellsAnswer(fabric: FakeFabric, query: URLSearchParams, nowMs: number): unknown {
  const { rows, portsOfSwitch } = fabric
  const generation = generationOf(fabric, nowMs)
  const [metric, by] = [query.get('metric') ?? '', query.get('by') ?? 'value']
  const groups = Array.from({ length: Math.ceil(rows / (portsOfSwitch ?? rows)) }, (_, group) => ({
    name: portsOfSwitch === undefined ? '' : (fabric.nodes?.[group] ?? `leaf-${group + 1}`),
    count: Math.min(portsOfSwitch ?? rows, rows - group * (portsOfSwitch ?? rows)),
  }))
  const idOf = (row: number) =>
    portsOfSwitch === undefined
      ? `sw${row + 1}`
      : `0x${(0xb8_59_9f + Math.floor(row / portsOfSwitch)).toString(16)}_${(row % portsOfSwitch) + 1}`
  return {
    ...{ fabric: 'default', generation: `g${generation}`, atUs: generation * INTERVAL_MS * 1000, metric, by, groups },
    ids: Array.from({ length: rows }, (_, row) => idOf(row)),
    values: Array.from({ length: rows }, (_, row) => cellOf(metric, row, generation * INTERVAL_MS, by)),
  }
}

/** `GET /api/v1/switches/{id}/metrics`: a point an interval. */
export function switchHistory(id: string, query: URLSearchParams): unknown {
  const [start, end] = ['start', 'end'].map((name) => Number(query.get(name)) / 1000) as [number, number]
  const every = query.get('every') ?? '1s'
  const everyMs = Math.max(INTERVAL_MS, Number.parseFloat(every) * (every.endsWith('ms') ? 1 : 1000))
  const row = Number(/\d+$/.exec(id)?.[0] ?? 1) - 1
  const series = (query.get('field') ?? '').split(',').map((field) => {
    const points: [number, number | string | null][] = []
    for (let at = Math.ceil(start / everyMs) * everyMs; at < end; at += everyMs)
      points.push([at * 1000, cellOf(field, row, at, 'value')])
    return { field, tags: { switch: id }, points }
  })
  return { series }
}
