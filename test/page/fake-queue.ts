import type { QueueFigures, QueueGroup, QueuePartition, QueueReaderFigures } from '../../internal/view/queue/figures.ts'

const reader = (name: string, more: Partial<QueueReaderFigures> = {}): QueueReaderFigures => ({
  ...{ name, pending: 0, reads: true, idleMs: 0, clients: null, ...more },
})
const group = (name: string, more: Partial<QueueGroup> = {}): QueueGroup => ({
  ...{ group: name, lag: 0, pending: 0, oldestAgeMs: 0, readers: [], attention: [], ...more },
})

const NOBODY =
  "Nobody reads for group billing for 2 h: start a consumer or let go of it with XGROUP DESTROY 'queue:{events:1}' billing"

/** A queue in which most goes well: figures that move with the time, and one group that nobody reads. */
export function busyQueue(atMs: number): QueueFigures {
  const wave = (spread: number, salt: number) => Math.round(spread * (1 + Math.sin(atMs / 9000 + salt)))
  const samples = [0, 1, 2, 3].map((partition): QueuePartition => {
    const [lag, pending] = [wave(600, partition), wave(240, partition + 2)]
    return {
      ...{ topic: 'telemetry', partition, length: 248_000 + wave(900, partition), lag, pending },
      ...{ overflow: 0, overflowBytes: 0, oldestAgeMs: lag === 0 ? 0 : 120 + lag, onDisk: [], attention: [] },
      groups: [
        group('sentinel', {
          ...{ lag, pending, oldestAgeMs: 120 + lag },
          readers: [reader('server-a', { pending }), reader('server-b')],
        }),
      ],
    }
  })
  const events = [0, 1].map((partition): QueuePartition => {
    const isHeld = partition === 1
    const attention = isHeld ? [NOBODY] : []
    return {
      ...{ topic: 'events', partition, length: isHeld ? 2000 : 12, lag: isHeld ? 1993 : 0, pending: isHeld ? 7 : 3 },
      ...{ overflow: isHeld ? 12_340 + wave(50, 0) : 0, overflowBytes: isHeld ? 9_400_000 : 0 },
      oldestAgeMs: isHeld ? 7_300_000 : 800,
      onDisk: isHeld ? [{ gateway: 'gateway-rack-7', messages: 12_340, bytes: 9_400_000 }] : [],
      groups: [
        group('billing', {
          ...(isHeld ? { lag: 1993, pending: 7, oldestAgeMs: 7_300_000 } : {}),
          readers: [
            reader('gateway-rack-7', { pending: isHeld ? 7 : 0, reads: !isHeld, idleMs: isHeld ? 7_260_000 : 0 }),
          ],
          attention,
        }),
        group('mine', {
          ...{ pending: 3, oldestAgeMs: 800 },
          readers: [reader('gateway-rack-7', { pending: 3, clients: 2 })],
        }),
      ],
      attention,
    }
  })
  return {
    ...{ broker: 'streams', reason: null, total: 6 },
    partitions: [...samples, ...events],
    gateways: [
      {
        ...{ name: 'gateway-rack-7', silentMs: 0, messages: 12_340, bytes: 9_400_000, maxBytes: 1_073_741_824 },
        ...{ consumers: 2, attention: [] },
      },
      {
        ...{
          name: 'gateway-rack-8',
          silentMs: 183_000,
          messages: 12,
          bytes: 9000,
          maxBytes: 1_073_741_824,
          consumers: 0,
        },
        attention: [
          'gateway-rack-8 has said nothing for 3 min, and its disk has messages: start it again with the same data folder',
        ],
      },
    ],
  }
}

/** Before anybody has used it. */
export const UNUSED_QUEUE: QueueFigures = {
  ...{ broker: 'streams', reason: null, total: 1, gateways: [] },
  partitions: [
    {
      ...{ topic: 'telemetry', partition: 0, length: 0, lag: 0, pending: 0, overflow: 0, overflowBytes: 0 },
      ...{ oldestAgeMs: 0, groups: [], onDisk: [], attention: [] },
    },
  ],
}

export const NO_QUEUE: QueueFigures = {
  ...{ broker: 'memory', total: 0, partitions: [], gateways: [] },
  reason: 'The memory broker hands messages over within this process.',
}
