import { describe, expect, it, vi } from 'vitest'
import { LiveWay } from '../../test/support/live-feed.ts'
import { MAX_EVENT_LENGTH } from './event-stream.ts'
import { Feed, type FeedOptions, type FeedPlace } from './feed.ts'
import { FeedFilter } from './feed-filter.ts'
import type { FeedSink } from './stream-client.ts'
import type { Summary } from './summary-client.ts'

interface Reading {
  readonly measurement: string
  readonly tags: Record<string, string>
  readonly fields: { readonly v: number }
  readonly at: number
}

interface Event {
  readonly id: string | undefined
  readonly event: string
  /** The readings; for an event `lost` the number of series. */
  readonly data: Reading[] & { readonly series?: number }
}

/** A connection whose reader the test controls. */
class Sink implements FeedSink {
  readonly chunks: Buffer[] = []
  full = false
  ended = false
  destroyed = false
  place: FeedPlace | undefined

  write(chunk: Buffer): boolean {
    this.chunks.push(chunk)
    return !this.full
  }

  end(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.ended = true
  }

  destroy(): void {
    this.destroyed = true
  }

  drain(): void {
    this.full = false
    this.place?.drained()
  }

  take(): string {
    return Buffer.concat(this.chunks.splice(0)).toString()
  }

  takeEvents(): Event[] {
    return parseEvents(this.take())
  }

  /** The value of the field `v` of each series, by measurement, in the order sent. */
  takeValues(): Array<[string, number]> {
    return this.takeEvents()
      .filter(({ event }) => event === 'samples')
      .flatMap(({ data }) => data)
      .map(({ measurement, fields }) => [measurement, fields.v])
  }
}

function parseEvents(text: string): Event[] {
  const events: Event[] = []
  for (const block of text.split('\n\n')) {
    const lines = new Map(
      block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    )
    if (lines.has('data'))
      events.push({ id: lines.get('id'), event: lines.get('event')!, data: JSON.parse(lines.get('data')!) })
  }
  return events
}

class Scene {
  readonly way = new LiveWay()
  now = 0
  readonly feed: Feed

  constructor(options: Partial<FeedOptions> = {}) {
    this.feed = new Feed({ table: this.way.table, nowMs: () => this.now, ...options })
  }

  static async open(options?: Partial<FeedOptions>): Promise<Scene> {
    const scene = new Scene(options)
    await scene.way.table.open()
    return scene
  }

  join(filter = new FeedFilter(), lastEventId?: string): Sink {
    const sink = new Sink()
    sink.place = this.feed.join(sink, filter, lastEventId)
    return sink
  }

  /** Changes one series, later than before. */
  send(measurement: string, v: number, host = 'a'): void {
    this.way.clock.time++
    this.way.send(measurement, { host }, { v })
  }
}

describe('Feed', () => {
  it('begins with everything, then brings what changed, each series once a tick', async () => {
    const scene = await Scene.open()
    scene.send('x', 1)
    scene.send('y', 1)
    const sink = scene.join()
    expect(sink.chunks[0]?.toString()).toBe('retry: 1000\n\n')
    const { table } = scene.way
    expect(sink.takeEvents()).toEqual([
      {
        id: `${table.start}-${table.generation}`,
        event: 'samples',
        data: [
          {
            measurement: 'x',
            tags: { host: 'a' },
            fields: { v: 1 },
            at: scene.way.clock.time - 1,
            arrivedAt: scene.way.clock.time - 1,
          },
          {
            measurement: 'y',
            tags: { host: 'a' },
            fields: { v: 1 },
            at: scene.way.clock.time,
            arrivedAt: scene.way.clock.time,
          },
        ],
      },
    ])
    scene.feed.tick()
    expect(sink.take()).toBe('')
    for (let v = 2; v <= 5; v++) scene.send('x', v)
    scene.feed.tick()
    expect(sink.takeValues()).toEqual([['x', 5]])
    scene.feed.tick()
    expect(sink.take()).toBe('')
  })

  it('begins with an empty event when there are no readings, which shows the client that it is connected', async () => {
    const sink = (await Scene.open()).join()
    expect(sink.takeEvents()).toMatchObject([{ event: 'samples', data: [] }])
  })

  it('brings a reading once more when its series becomes stale, also to a client that joins later', async () => {
    const scene = await Scene.open()
    scene.send('x', 1)
    const sink = scene.join()
    sink.take()
    scene.way.clock.time += 10_001_000
    scene.way.table.sweep()
    scene.feed.tick()
    const stale = [{ event: 'samples', data: [{ measurement: 'x', fields: { v: 1 }, stale: true }] }]
    expect(sink.takeEvents()).toMatchObject(stale)
    scene.way.table.sweep()
    scene.feed.tick()
    expect(sink.takeEvents()).toEqual([])
    expect(scene.join().takeEvents()).toMatchObject(stale)
    scene.send('x', 2)
    scene.feed.tick()
    const [event] = sink.takeEvents()
    expect(event).toMatchObject({ data: [{ fields: { v: 2 } }] })
    expect(event?.data[0]).not.toHaveProperty('stale')
  })

  it('sends nothing twice to a client that joined between two ticks', async () => {
    const scene = await Scene.open()
    scene.send('x', 1)
    const sink = scene.join()
    scene.send('y', 2)
    scene.feed.tick()
    expect(sink.takeValues()).toEqual([
      ['x', 1],
      ['y', 2],
    ])
    scene.send('z', 3)
    scene.feed.tick()
    expect(sink.takeValues()).toEqual([['z', 3]])
  })

  it('filters by host and by measurement', async () => {
    const scene = await Scene.open()
    const filters: Array<[string, FeedFilter, string[]]> = [
      ['none', new FeedFilter(), ['cpu', 'mem', 'cpu', 'net']],
      ['host', new FeedFilter(['a']), ['cpu', 'mem']],
      ['measurement', new FeedFilter(undefined, ['cpu', 'net']), ['cpu', 'cpu', 'net']],
      ['both', new FeedFilter(['b'], ['cpu']), ['cpu']],
      ['hosts, in the order in which their series came', new FeedFilter(['b', 'a']), ['cpu', 'mem', 'cpu', 'net']],
      ['nothing there', new FeedFilter(['c']), []],
    ]
    const sendAll = () => {
      for (const [m, host] of [['cpu', 'a'], ['mem', 'a'], ['cpu', 'b'], ['net', 'b']] as const) scene.send(m, 1, host) // biome-ignore format: a pair a series
    }
    sendAll()
    const sinks = filters.map(([, filter]) => scene.join(filter))
    const snapshots = sinks.map((sink) => sink.takeValues().map(([measurement]) => measurement))
    sendAll()
    scene.feed.tick()
    const changes = sinks.map((sink) => sink.takeValues().map(([measurement]) => measurement))
    const wanted = filters.map(([, , measurements]) => measurements)
    expect(snapshots).toEqual(wanted)
    expect(changes).toEqual(wanted)
  })

  it('hands the same bytes to all clients with the same filter', async () => {
    const scene = await Scene.open()
    const sinks = [['a', 'b'], ['b', 'a'], ['a']].map((hosts) => scene.join(new FeedFilter(hosts)))
    scene.feed.tick()
    for (const sink of sinks) sink.take()
    scene.send('x', 1)
    scene.feed.tick()
    const [one, other, narrower] = sinks.map((sink) => sink.chunks[0])
    expect(other).toBe(one)
    expect(narrower).not.toBe(one)
  })

  it('cuts a large snapshot into events, and names the generation in the last', async () => {
    const scene = await Scene.open()
    for (let i = 0; i < 2_000; i++) scene.way.record(`measurement-${i}`, { host: 'a' }, { v: i })
    scene.way.announcer.announce()
    const sink = scene.join()
    const longest = Math.max(...sink.chunks.map((chunk) => chunk.length))
    const events = sink.takeEvents()
    expect(events.length).toBeGreaterThan(2)
    expect(longest).toBeLessThan(MAX_EVENT_LENGTH + 1_000)
    expect(events.flatMap(({ data }) => data).length).toBe(2_000)
    expect(events.map(({ id }) => id === undefined)).toEqual([...events.slice(1).map(() => true), false])

    for (let i = 0; i < 2_000; i++)
      scene.way.record(`measurement-${i}`, { host: 'a' }, { v: -i }, scene.way.clock.time + 1)
    scene.way.announcer.announce()
    scene.feed.tick()
    const changes = sink.takeEvents()
    expect(changes.map(({ id }) => id === undefined)).toEqual([...changes.slice(1).map(() => true), false])
    expect(changes.flatMap(({ data }) => data).length).toBe(2_000)
  })

  describe('a slow client', () => {
    it('is owed each series once with its newest reading; replaced readings are counted and reported', async () => {
      const scene = await Scene.open()
      const slow = scene.join()
      const quick = scene.join()
      scene.feed.tick()
      slow.full = true
      scene.send('x', 1)
      scene.feed.tick()
      expect(slow.takeValues()).toEqual([['x', 1]])
      for (let v = 2; v <= 4; v++) {
        scene.send('x', v)
        scene.send('y', v)
        scene.feed.tick()
      }
      scene.send('z', 9)
      scene.feed.tick()
      expect(slow.take()).toBe('')
      expect(scene.feed.stats.lost).toBe(4)
      slow.drain()
      const [lost, samples] = slow.takeEvents()
      expect(lost).toMatchObject({ event: 'lost', data: { series: 4 } })
      expect(samples?.data.map((s: { fields: { v: number } }) => s.fields.v)).toEqual([4, 4, 9])
      expect(quick.takeValues().map(([, v]) => v)).toEqual([1, 2, 2, 3, 3, 4, 4, 9])

      scene.send('x', 10)
      scene.feed.tick()
      expect(slow.takeEvents()).toMatchObject([{ event: 'samples' }])
      expect(scene.feed.stats.lost).toBe(4)
    })

    it('is owed a bounded number of series: those that waited longest are dropped, and counted', async () => {
      const scene = await Scene.open({ maxOwedSeries: 3 })
      const slow = scene.join()
      slow.full = true
      scene.send('first', 0)
      scene.feed.tick()
      for (let i = 1; i <= 5; i++) scene.send(`m${i}`, i)
      scene.feed.tick()
      slow.take()
      slow.drain()
      expect(slow.takeEvents()).toMatchObject([
        { event: 'lost', data: { series: 2 } },
        { event: 'samples', data: [{ measurement: 'm3' }, { measurement: 'm4' }, { measurement: 'm5' }] },
      ])
      expect(scene.feed.stats.lost).toBe(2)
    })

    it('takes a large snapshot at its own pace, an event at a time', async () => {
      const scene = await Scene.open()
      for (let i = 0; i < 2_000; i++) scene.way.record(`measurement-${i}`, { host: 'a' }, { v: i })
      scene.way.announcer.announce()
      const slow = new Sink()
      slow.full = true
      slow.place = scene.feed.join(slow, new FeedFilter())
      const received = slow.takeEvents()
      expect(received.length).toBe(1)
      while (received.at(-1)?.id === undefined) {
        slow.place?.drained()
        const events = slow.takeEvents()
        expect(events.length).toBe(1)
        received.push(...events)
      }
      expect(received.flatMap(({ data }) => data).length).toBe(2_000)
      expect(scene.feed.stats.lost).toBe(0)
    })

    it('is closed when it reads nothing for a minute', async () => {
      const scene = await Scene.open()
      const slow = scene.join()
      const quick = scene.join()
      slow.full = true
      scene.send('x', 1)
      scene.feed.tick()
      scene.now = 59_999
      scene.feed.tick()
      expect(slow.destroyed).toBe(false)
      scene.now = 60_000
      scene.feed.tick()
      expect([slow.destroyed, quick.destroyed]).toEqual([true, false])
      expect(scene.feed.stats).toMatchObject({ clients: 1, stalled: 1 })
    })
  })

  describe('resuming', () => {
    it('sends only what changed since the last event of the same table', async () => {
      const scene = await Scene.open()
      scene.send('x', 1)
      scene.send('y', 1)
      const { id } = scene.join().takeEvents()[0]!
      scene.send('y', 2)
      expect(scene.join(undefined, id).takeValues()).toEqual([['y', 2]])
      const { id: newer } = scene.join().takeEvents()[0]!
      expect(scene.join(undefined, newer).takeEvents()).toMatchObject([{ event: 'samples', id: newer, data: [] }])
    })

    it.each([
      ['of another run', () => 'aaaaaaaaaaaa-1'],
      ['of the future', (scene: Scene) => `${scene.way.table.start}-999999`],
      ['of another server', () => '42'],
      ['which is empty', () => ''],
      ['without end', () => `a-${'9'.repeat(400)}`],
    ])('sends everything to an id %s', async (_name, id) => {
      const scene = await Scene.open()
      scene.send('x', 1)
      expect(scene.join(undefined, id(scene)).takeValues()).toEqual([['x', 1]])
    })
  })

  it('brings a client that wants a few hosts their series alone, without a look at the others', async () => {
    const scene = await Scene.open()
    for (let n = 0; n < 100; n++) scene.send('cpu', 1, `web-${n}`)
    const search = vi.spyOn(scene.way.table, 'changedSince')
    const sink = scene.join(new FeedFilter(['web-7']))
    sink.take()
    for (let n = 0; n < 100; n++) scene.send('cpu', 2, `web-${n}`)
    scene.feed.tick()
    expect(sink.takeEvents().flatMap(({ data }) => data.map(({ tags }) => tags.host))).toEqual(['web-7'])
    expect(search).not.toHaveBeenCalled()
  })

  describe('a summary', () => {
    class Sum implements Summary {
      #event = Buffer.from('event: sum\ndata: 0\n\n')
      set(value: number): void {
        this.#event = Buffer.from(`event: sum\ndata: ${value}\n\n`)
      }
      event(): Buffer {
        return this.#event
      }
    }
    const open = async (options?: Partial<FeedOptions>) => {
      const [scene, sum, sink] = [await Scene.open(options), new Sum(), new Sink()]
      sink.place = scene.feed.joinSummary(sink, sum)
      return { scene, sum, sink }
    }

    it('is sent at once, and when it changes; a comment keeps a quiet connection open', async () => {
      const { scene, sum, sink } = await open()
      expect(sink.take()).toBe('retry: 1000\n\nevent: sum\ndata: 0\n\n')
      scene.send('x', 1)
      scene.feed.tick()
      expect(sink.take()).toBe('')
      sum.set(1)
      scene.feed.tick()
      scene.feed.tick()
      expect(sink.takeEvents()).toMatchObject([{ event: 'sum', data: 1 }])
      scene.now = 15_000
      scene.feed.tick()
      expect(sink.take()).toBe(': ping\n\n')
    })

    it('is the newest one for a slow client, which is closed when it reads nothing for a minute', async () => {
      const { scene, sum, sink } = await open({ maxClients: 1 })
      sink.full = true
      sink.take()
      for (let n = 1; n <= 3; n++) {
        sum.set(n)
        scene.feed.tick()
      }
      expect(sink.takeEvents()).toMatchObject([{ data: 1 }])
      sink.drain()
      expect(sink.takeEvents()).toMatchObject([{ data: 3 }])
      sink.full = true
      sum.set(4)
      scene.feed.tick()
      expect(scene.feed.joinSummary(new Sink(), sum)).toBeUndefined()
      scene.now = 60_000
      scene.feed.tick()
      expect([sink.destroyed, scene.feed.stats]).toEqual([true, { clients: 0, refused: 1, stalled: 1, lost: 0 }])
    })
  })

  it('sends a comment after 15 s without an event', async () => {
    const scene = await Scene.open()
    const sink = scene.join()
    sink.take()
    scene.now = 14_999
    scene.feed.tick()
    expect(sink.take()).toBe('')
    scene.now = 15_000
    scene.feed.tick()
    expect(sink.take()).toBe(': ping\n\n')
    scene.feed.tick()
    expect(sink.take()).toBe('')
  })

  it('takes a bounded number of clients, and one more when one leaves', async () => {
    const scene = await Scene.open({ maxClients: 2 })
    const first = scene.join()
    scene.join()
    expect(scene.feed.hasRoom).toBe(false)
    expect(scene.join().place).toBeUndefined()
    expect(scene.feed.stats).toMatchObject({ clients: 2, refused: 1 })
    first.place?.leave()
    expect(scene.join().place).toBeDefined()
  })

  it('keeps its clients when the limit falls', async () => {
    const scene = await Scene.open({ maxClients: 2 })
    scene.join()
    const second = scene.join()
    scene.feed.setLimits({ maxClients: 1, maxOwedSeries: 100 })
    expect(scene.feed.stats.clients).toBe(2)
    second.place?.leave()
    expect(scene.join().place).toBeUndefined()
    scene.feed.setLimits({ maxClients: 2, maxOwedSeries: 100 })
    expect(scene.join().place).toBeDefined()
  })

  it('sends `end` to its clients when it closes, and takes no more', async () => {
    const scene = await Scene.open()
    const sink = scene.join()
    sink.take()
    scene.feed.close()
    expect(sink.takeEvents()).toEqual([{ id: undefined, event: 'end', data: {} }])
    expect(sink.ended).toBe(true)
    expect(scene.join().place).toBeUndefined()
    expect(scene.feed.stats.clients).toBe(0)
  })
})
