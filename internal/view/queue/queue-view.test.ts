import { describe, expect, it } from 'vitest'
import { BrokerError } from '../../broker/broker.ts'
import type { GatewayState, GroupState, PartitionState, QueueState } from '../../broker/queue-state.ts'
import { attentionOfGateway, attentionOfGroup, attentionOfPartition } from './attention.ts'
import { QueueAwayError, QueueView } from './queue-view.ts'

const group = (more: Partial<GroupState> = {}): GroupState => ({
  ...{ group: 'sentinel', lag: 0, pending: 0, oldestAgeMs: 0, idleMs: 300, readers: [], ...more },
})
const partition = (more: Partial<PartitionState> = {}): PartitionState => ({
  ...{ topic: 'telemetry', partition: 0, length: 0, firstAgeMs: 0, groups: [], ...more },
})
const gateway = (more: Partial<GatewayState> = {}): GatewayState => ({
  ...{ name: 'gateway-a', ageMs: 800, bytes: 0, maxBytes: 1000, problem: '', onDisk: [], consumers: [], ...more },
})
const SAMPLES = { topic: 'telemetry', trimsAt: 250_000 }

describe('what somebody has to do', () => {
  it.each<[string, Partial<GroupState>, readonly (string | RegExp)[]]>([
    ['all is read and acked', {}, []],
    ['nobody reads, and nothing waits', { idleMs: 9e6 }, []],
    ['some wait, and are read', { lag: 900, pending: 40, oldestAgeMs: 4000 }, []],
    ['a server starts again', { lag: 900, oldestAgeMs: 20_000, idleMs: 20_000 }, []],
    ['nobody reads, and the message is new', { lag: 1, oldestAgeMs: 1000, idleMs: 9e6 }, []],
    [
      'nobody reads any more',
      { lag: 9, oldestAgeMs: 31_000, idleMs: 125_000 },
      [
        /^Nobody reads for group sentinel for 2 min: start a server .* or let go of it with XGROUP DESTROY 'queue:\{telemetry:0\}' sentinel$/,
      ],
    ],
    [
      'nobody ever read',
      { lag: 9, oldestAgeMs: 31_000, idleMs: undefined },
      [/^Nobody reads for group sentinel yet: /],
    ],
    [
      'what was read is not acked',
      { pending: 9, oldestAgeMs: 301_000 },
      [/5 min behind: its readers do not acknowledge/],
    ],
    ['more comes than is read', { lag: 9, oldestAgeMs: 301_000 }, [/5 min behind: its readers do not keep up/]],
    ['Redis knows no lag', { lag: undefined, oldestAgeMs: 301_000 }, [/do not keep up/]],
    ['it is about to be trimmed', { lag: 200_000, oldestAgeMs: 4000 }, [/200,000 unread, and beyond 250,000/]],
  ])('for a group of which %s', (_what, state, expected) => {
    const each = group(state)
    const isRead = (each.idleMs ?? Infinity) < 5000
    const found = attentionOfGroup(partition(), each, isRead, SAMPLES)
    expect(found).toEqual(expected.map((text) => expect.stringMatching(text)))
  })

  it('of another topic, which is trimmed by no one and read by no server', () => {
    const of = (state: Partial<GroupState>): string[] =>
      attentionOfGroup(partition({ topic: 'events', partition: 3 }), group(state), false, SAMPLES)
    expect(of({ lag: 900_000, oldestAgeMs: 4000 })).toEqual([])
    expect(of({ lag: 9, oldestAgeMs: 31_000, idleMs: 31_000 })).toEqual([
      "Nobody reads for group sentinel for 31 s: start a consumer or let go of it with XGROUP DESTROY 'queue:{events:3}' sentinel",
    ])
  })

  it.each<[string, PartitionState, number, readonly string[]]>([
    ['is empty', partition(), 800, []],
    ['has had messages for a moment', partition({ length: 3, firstAgeMs: 900 }), 800, []],
    ['has a group', partition({ length: 3, firstAgeMs: 90_000, groups: [group()] }), 800, []],
    [
      'no group reads',
      partition({ length: 3, firstAgeMs: 90_000 }),
      800,
      ['No group reads it: start a server (--broker-kind streams) or a consumer'],
    ],
    [
      'has messages on a disk that nobody serves',
      partition(),
      180_000,
      [
        '12 messages on the disk of gateway-a, which has said nothing for 3 min: start it again with the same data folder',
      ],
    ],
  ])('for a partition that %s', (_what, state, ageMs, expected) => {
    const onDisk = [{ topic: 'telemetry', partition: 0, messages: 12, bytes: 900, name: 'gateway-a', ageMs }]
    expect(attentionOfPartition(state, onDisk, SAMPLES)).toEqual(expected)
  })

  it.each<[string, Partial<GatewayState>, readonly string[]]>([
    ['is well', { bytes: 799 }, []],
    ['is gone, and has left nothing', { ageMs: 9e6 }, []],
    ['cannot write', { problem: 'ENOSPC' }, ['gateway-a cannot use its disk: ENOSPC']],
    [
      'is nearly full',
      { bytes: 935 },
      [
        'The disk of gateway-a is 93 % full, and beyond queue.maxBytes it takes nothing: see who does not read, or raise the bound',
      ],
    ],
  ])('for a gateway that %s', (_what, state, expected) => {
    expect(attentionOfGateway(gateway(state))).toEqual(expected)
  })
})

describe('the view of the queue', () => {
  const state: QueueState = {
    total: 2,
    partitions: [
      partition({
        ...{ length: 100, firstAgeMs: 90_000 },
        groups: [
          group({ lag: 7, pending: 3, oldestAgeMs: 2000, readers: [{ name: 'web-01', pending: 3, idleMs: 140 }] }),
          group({
            ...{ group: 'mine', lag: 9, pending: 1, oldestAgeMs: 61_900, idleMs: 61_900 },
            readers: [{ name: 'gateway-a', pending: 1, idleMs: 61_900 }],
          }),
        ],
      }),
      partition({ partition: 1, length: 4, firstAgeMs: 500 }),
    ],
    gateways: [
      gateway({
        bytes: 700,
        onDisk: [{ topic: 'telemetry', partition: 1, messages: 5, bytes: 700 }],
        consumers: [
          { topic: 'telemetry', group: 'mine', partition: null, count: 2 },
          { topic: 'telemetry', group: 'mine', partition: 0, count: 1 },
          { topic: 'telemetry', group: 'mine', partition: 1, count: 4 },
          { topic: 'events', group: 'mine', partition: 0, count: 8 },
        ],
      }),
    ],
  }

  it('joins what Redis and the gateways say', async () => {
    const view = new QueueView({ kind: 'streams', queue: { ...SAMPLES, look: async () => state } })
    const figures = await view.figures()
    expect(figures).toMatchObject({ broker: 'streams', reason: null, total: 2 })
    const [first, second] = figures.partitions
    expect(first).toMatchObject({ length: 100, lag: 9, pending: 4, overflow: 0, oldestAgeMs: 61_900, onDisk: [] })
    expect(first!.groups.map(({ readers }) => readers)).toEqual([
      [{ name: 'web-01', pending: 3, reads: true, idleMs: 0, clients: null }],
      // It has clients: Redis before 7.2 does not count a read that finds nothing.
      [{ name: 'gateway-a', pending: 1, reads: true, idleMs: 0, clients: 3 }],
    ])
    expect(first!.attention).toEqual([])
    expect(second).toMatchObject({ lag: 4, pending: 0, overflow: 5, overflowBytes: 700, oldestAgeMs: 500 })
    expect(second!.onDisk).toEqual([{ gateway: 'gateway-a', messages: 5, bytes: 700 }])
    expect(figures.gateways).toEqual([
      { name: 'gateway-a', silentMs: 0, messages: 5, bytes: 700, maxBytes: 1000, consumers: 15, attention: [] },
    ])
  })

  it.each<[string, Partial<GatewayState>, object[], string[]]>([
    ['has no clients any more', { consumers: [] }, [{ reads: false, idleMs: 61_000, clients: 0 }], ['Nobody reads']],
    [
      'has said nothing for a while',
      { ageMs: 12_000 },
      [{ reads: false, idleMs: 61_000, clients: 0 }],
      ['Nobody reads'],
    ],
    [
      'is not known',
      { name: 'gateway-z' },
      [
        { reads: false, clients: null },
        { name: 'gateway-z', reads: true },
      ],
      [],
    ],
  ])('does not take a gateway for a reader that %s', async (_what, differs, readers, attention) => {
    const [one] = state.partitions
    const look = async (): Promise<QueueState> => ({
      total: 1,
      partitions: [{ ...one!, groups: [one!.groups[1]!] }],
      gateways: [{ ...state.gateways[0]!, onDisk: [], ...differs }],
    })
    const { partitions } = await new QueueView({ kind: 'streams', queue: { ...SAMPLES, look } }).figures()
    expect(partitions[0]!.groups[0]!.readers).toMatchObject(readers)
    expect(partitions[0]!.attention).toEqual(attention.map((text) => expect.stringContaining(text)))
  })

  it('looks once for all who ask within a second, and again when it failed', async () => {
    let [looks, fails, atMs] = [0, false, 0]
    const look = async (): Promise<QueueState> => {
      looks++
      if (fails) throw new BrokerError('not_sent', 'away')
      return state
    }
    const view = new QueueView({ kind: 'streams', queue: { ...SAMPLES, look } }, () => atMs)
    const all = await Promise.all(Array.from({ length: 50 }, () => view.figures()))
    expect(new Set(all).size).toBe(1)
    atMs = 999
    await view.figures()
    expect(looks).toBe(1)
    atMs = 1000
    fails = true
    await expect(view.figures()).rejects.toThrow(QueueAwayError)
    await expect(view.figures()).rejects.toThrow(QueueAwayError)
    fails = false
    await view.figures()
    expect(looks).toBe(4)
  })

  it.each(['pubsub', 'memory'] as const)('says why there is none over %s', async (kind) => {
    const figures = await new QueueView({ kind }).figures()
    expect(figures).toMatchObject({ broker: kind, reason: expect.stringMatching(/--broker-kind streams/), total: 0 })
  })
})
