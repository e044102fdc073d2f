import type { ApiOptions } from '../../internal/api/api.ts'
import type { GatewayState, PartitionState } from '../../internal/broker/queue-state.ts'
import type { FieldValue } from '../../internal/sample/value.ts'
import type { StoreReader, StoreWriter } from '../../internal/store/store.ts'
import { QueueView } from '../../internal/view/queue/queue-view.ts'
import { ApiScene } from './api-scene.ts'
import { FabricWriter, SWITCH_COLUMNS, snapshotOf, switchesOf } from './fabric.ts'
import { HandClock, SampleMaker } from './live-feed.ts'
import { until } from './servers.ts'

/** When the clock of such a scene stands, µs. Its store must keep the minutes before. */
export const STORED_NOW_US = new HandClock().now() + 20e6
/** Of each series, one a second. */
export const SAMPLES = 30

/** An API over a real store that has samples of a host, its GPU, a switch and a port; they are live, too. A fabric is shown, and a queue waits. */
export async function openStoredScene(
  { reader, writer }: { reader: StoreReader; writer: StoreWriter },
  options: Partial<ApiOptions> = {},
): Promise<ApiScene> {
  const scene = await ApiScene.open({ reader, queue: new QueueView({ kind: 'streams', queue: QUEUE }), ...options })
  await showFabric(scene)
  const maker = new SampleMaker()
  const batch = writer.openBatch()
  for (let second = SAMPLES; second > 0; second--) {
    const at = STORED_NOW_US - second * 1e6
    for (const [measurement, tags, fields] of samplesAt(SAMPLES - second)) {
      const refused = batch.add(maker.sample(measurement, tags, fields, at))
      if (refused !== undefined) throw new Error(JSON.stringify(refused))
      scene.way.send(measurement, tags, fields, at)
    }
  }
  const result = await writer.write(batch, AbortSignal.timeout(10_000))
  if (result.next !== 'ack' || result.rejected.length > 0) throw new Error(JSON.stringify(result))
  batch.release()
  return scene
}

const HOST = { host: 'web-01' }
const GPU = { ...HOST, uuid: 'GPU-1', gpu: '0', model: 'H100' }
const PORT = { node_guid: '0002c903000e0b72', port_num: '7', sim: 'true' }

type Made = readonly [string, Readonly<Record<string, string>>, Readonly<Record<string, FieldValue>>]

/** What comes in one second: an Xid error, a link that goes down and a restart in the middle. */
function samplesAt(n: number): readonly Made[] {
  const later = n >= SAMPLES / 2
  return [
    ['cpu', { ...HOST, cpu: 'cpu-total' }, { usage_user: n, usage_system: n / 2, usage_idle: 100 - 1.5 * n }],
    ['mem', HOST, { used_percent: 50 + n / 7, large: -(2n ** 53n) - 1n }],
    ['system', HOST, { load1: n / 10, uptime: later ? n : 1000 + n, n_cpus: 8 }],
    [
      'gpu',
      GPU,
      {
        ...{ utilization_percent: n, memory_used_bytes: n * 2 ** 20, memory_free_bytes: 2 ** 30, xid: later ? 31 : 0 },
        ...{ temperature_celsius: 40 + n, power_watts: 300.5, power_limit_watts: 700, temperature: 75.5 },
      },
    ],
    [
      'gpu_info',
      GPU,
      {
        device_id: 'gpu-001',
        device: 'nvidia0',
        pod: 'train-1',
        namespace: 'ml',
        container: 'main',
        labels_raw: 'a="b"',
      },
    ],
    ['mem', { host: 'web-02' }, { used_percent: n }],
    ['gpu', { ...GPU, mig: '3' }, { graphics_engine_ratio: 0.5 }],
    ['switch', { switch: 'sw1' }, { bandwidth_mbps: 1 + n / 1024, latency_ms: n / 2, packet_errors: n }],
    ['fabric_port', PORT, { LinkDownedCounterExtended: later ? 2 : 1 }],
    [
      'sentinel_pipeline',
      { ...HOST, role: 'server' },
      {
        ...{ received: n, held: 2, dead_letters: 3, broker: 'streams', store: 'duckdb' },
        ...{ e2e_p50_us: 1.5, e2e_p99_us: 9.5, durable_p50_us: 10.5, durable_p99_us: 19.5 },
        ...{ store_ready: n < 20, store_away_seconds: 1.5 },
      },
    ],
    [
      'sentinel_pipeline',
      { ...HOST, role: 'agent' },
      { produced: later ? n : 1000 + n, os: 'linux', version: '1.2.3' },
    ],
  ]
}

/** Two generations, so that values have changed. One switch has a text, and one has no value. */
async function showFabric({ way, fabrics }: ApiScene): Promise<void> {
  const columns = [...SWITCH_COLUMNS, { name: 'state', kind: 'text' } as const]
  const rowsOf = (generation: number) => {
    const known = switchesOf(5, way.clock.time, generation)
    const cells = (row: number) => SWITCH_COLUMNS.map((_, column) => known.value(row, column))
    return Array.from({ length: known.rows }, (_, row) => ({
      ...{ id: known.id(row), atUs: way.clock.time },
      cells: row === 4 ? [1] : [...cells(row), 'LinkUp'],
    }))
  }
  const writer = new FabricWriter(way.broker.snapshots)
  for (const generation of [1, 2]) {
    way.clock.time += 10e6
    const { id } = await writer.write(way.clock.time, { 'http://a': snapshotOf('switch', columns, rowsOf(generation)) })
    await until('it is shown', () => fabrics.shown('default')?.id === id)
  }
}

const PARTITION: PartitionState = {
  ...{ topic: 'telemetry', partition: 0, length: 900, firstAgeMs: 90_000 },
  groups: [
    {
      ...{ group: 'sentinel', lag: undefined, pending: 3, oldestAgeMs: 2000, idleMs: 140 },
      readers: [{ name: 'web-01', pending: 3, idleMs: 140 }],
    },
    { group: 'nobody', lag: 7, pending: 0, oldestAgeMs: 40_000, idleMs: undefined, readers: [] },
  ],
}
const UNREAD: PartitionState = { topic: 'jobs', partition: 1, length: 4, firstAgeMs: 90_000, groups: [] }
const GATEWAY: GatewayState = {
  ...{ name: 'gateway-a', ageMs: 10, bytes: 700, maxBytes: 1000, problem: 'ENOSPC' },
  onDisk: [{ topic: 'telemetry', partition: 0, messages: 5, bytes: 700 }],
  consumers: [{ topic: 'telemetry', group: 'sentinel', partition: null, count: 2 }],
}
const QUEUE = {
  ...{ topic: 'telemetry', trimsAt: 1000 },
  look: async () => ({ total: 2, partitions: [PARTITION, UNREAD], gateways: [GATEWAY] }),
}
