import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LiveWay, SampleMaker, silent } from '../../test/support/live-feed.ts'
import { blankHeader } from '../codec/codec.ts'
import { frameCodec } from '../codec/frame.ts'
import type { FieldValue } from '../sample/value.ts'
import { LiveSeries } from './live-series.ts'
import { LiveTable } from './live-table.ts'

async function openWay(options?: { maxSeries?: number }): Promise<LiveWay> {
  const way = new LiveWay(options)
  way.clock.time = 0
  await way.table.open()
  return way
}

function measurements(table: LiveTable, since: number): string[] {
  return table.changedSince(since).map(({ series }) => series.measurement)
}

describe('LiveTable', () => {
  it('knows what changed since a generation', async () => {
    const { table, ...way } = await openWayParts()
    way.send('a', 1)
    way.send('b', 1)
    const between = table.generation
    way.send('c', 1)
    way.send('a', 2)
    expect(measurements(table, 0)).toEqual(['a', 'b', 'c'])
    expect(measurements(table, between)).toEqual(['a', 'c'])
    expect(measurements(table, table.generation)).toEqual([])
  })

  it('replaces a reading by a newer one, joins one of the same time, and ignores an older one', async () => {
    const { table, ...way } = await openWayParts()
    const fields = () => JSON.parse(table.changedSince(0)[0]!.json()).fields
    way.sendFields('m', { a: 1, b: 1 }, 10)
    way.sendFields('m', { b: 2 }, 10)
    expect(fields()).toEqual({ a: 1, b: 2 })
    const before = table.generation
    way.sendFields('m', { a: 9 }, 5)
    expect(table.changedSince(before)).toEqual([])
    way.sendFields('m', { b: 3 }, 11)
    expect(fields()).toEqual({ b: 3 })
  })

  it('starts with the readings that were kept, unless it has newer ones', async () => {
    const way = new LiveWay()
    way.clock.time = 0
    way.record('old', {}, { a: 1 }, 10)
    way.record('both', {}, { a: 1 }, 10)
    way.announcer.stop()
    way.table.apply(frameOf('both', { a: 2 }, 20))
    await way.table.open()
    const json = way.table.changedSince(0).map((live) => JSON.parse(live.json()))
    expect(json.map(({ measurement, fields }) => [measurement, fields.a])).toEqual([
      ['both', 2],
      ['old', 1],
    ])
  })

  it('takes the readings in the order in which they arrive, whatever their times', async () => {
    const way = new LiveWay()
    await way.table.open()
    way.send('m', { host: 'a' }, { v: 1 })
    way.clock.set(-7_200e6)
    way.send('m', { host: 'a' }, { v: 2 })
    const [live] = way.table.changedSince(0)
    expect(JSON.parse(live!.json())).toMatchObject({ fields: { v: 2 }, at: way.clock.time, arrivedAt: way.clock.time })
    expect(way.table.ageMs(live!)).toBe(0)
  })

  it('knows how old the readings are that were kept', async () => {
    const way = new LiveWay()
    const day = 80_000_000
    const table = new LiveTable({
      ...{ codec: frameCodec, clock: way.clock, logger: silent, monotonicMs: way.clock.monotonicMs },
      channel: {
        isHeard: true,
        publish: () => {},
        subscribe: async () => async () => {},
        recall: async () => [
          { payload: frameOf('old', { a: 1 }, way.clock.time - day * 1000), ageMs: day },
          { payload: frameOf('new', { a: 1 }, way.clock.time), ageMs: 1_000 },
        ],
      },
    })
    await table.open()
    const found = table.changedSince(0).map((live) => [table.ageMs(live), table.isStale(live), live.arrivedAt])
    expect(found).toEqual([
      [day, true, way.clock.time - day * 1000],
      [1000, false, way.clock.time - 1_000_000],
    ])
    table.apply(frameOf('old', { a: 2 }, 5))
    expect(table.isStale(table.changedSince(0)[0]!)).toBe(false)
    await table.close()
  })

  it('starts empty when the readings that were kept cannot be read', async () => {
    const way = new LiveWay()
    const live = way.broker.live
    const table = new LiveTable({
      codec: frameCodec,
      clock: way.clock,
      logger: silent,
      channel: {
        isHeard: true,
        publish: (payload, latest) => live.publish(payload, latest),
        subscribe: (handler) => live.subscribe(handler),
        recall: () => Promise.reject(new Error('away')),
      },
    })
    await table.open()
    way.send('m', {}, { a: 1 })
    expect(table.size).toBe(1)
    await table.close()
    way.send('n', {}, { a: 1 })
    expect(table.size).toBe(1)
  })

  it('unsubscribes also when it is closed while it opens', async () => {
    const way = new LiveWay()
    const opening = way.table.open()
    await way.table.close()
    await opening
    way.send('m', {}, { a: 1 })
    expect([way.table.opened, way.table.size]).toEqual([false, 0])
  })

  it('counts a message that cannot be read, and reads the next', async () => {
    const way = await openWay()
    way.table.apply(Buffer.from('neither frame nor sample'))
    way.send('m', {}, { a: 1 })
    expect(way.table.stats).toEqual({ readings: 1, refused: 1, missed: 0 })
  })

  it('counts the messages that never came', async () => {
    const { table } = new LiveWay()
    for (const seq of [0, 1, 4, 5, 3]) table.apply(frameOf('m', { a: 1 }, seq, seq))
    expect(table.stats.missed).toBe(2)
  })

  it('is bounded: series that are idle make room, and are counted', async () => {
    const way = await openWay({ maxSeries: 2 })
    way.send('cpu', { host: 'a' }, { v: 1 })
    way.send('cpu', { host: 'b' }, { v: 1 })
    way.clock.time += 100e6
    way.send('cpu', { host: 'b' }, { v: 2 })
    const before = way.table.generation
    way.send('cpu', { host: 'c' }, { v: 1 })
    const hosts = (since: number) => way.table.changedSince(since).map(({ host }) => host)
    expect(way.table.size).toBe(2)
    expect([hosts(0), hosts(1), hosts(before)]).toEqual([['b', 'c'], ['b', 'c'], ['c']])
  })

  it('stays flat where an agent makes new series for ever, and shows those that stay', async () => {
    const way = await openWay()
    for (let tick = 0; tick < 1200; tick++) {
      way.clock.time += 250_000
      way.record('net', { host: 'a', interface: 'eth0' }, { v: tick })
      for (let i = 0; i < 50; i++) way.record('net', { host: 'a', interface: `veth${tick}-${i}` }, { v: i })
      way.announcer.announce()
    }
    // 60,000 came. Those of the last minute are 12,000, and up to 20,000 all are kept.
    expect(way.table.size).toBeLessThan(20_100)
    const eth0 = way.table
      .changedSince(way.table.generation - 1)
      .find(({ series }) => series.tag('interface') === 'eth0')
    expect(eth0?.series.latest(0)).toBe(1199)
  })

  it('finds the same changes as a search of every series', () => {
    const series = fc.integer({ min: 0, max: 9 })
    fc.assert(
      fc.property(fc.array(fc.array(series, { maxLength: 5 }), { maxLength: 30 }), (messages) => {
        const { table } = new LiveWay()
        const changedIn = new Map<string, number>()
        for (const [at, readings] of messages.entries()) {
          table.apply(frameOf(readings.map(String), { a: 1 }, at + 1, at))
          for (const name of readings) changedIn.set(`${name}`, table.generation)
        }
        for (let since = 0; since <= table.generation; since++) {
          const want = [...changedIn].filter(([, generation]) => generation > since).map(([name]) => name)
          expect(measurements(table, since)).toEqual(want)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('a series is stale', () => {
  const SECOND = 1e6

  /** Sends at these distances (s), then says after how many seconds of silence the series is stale. */
  async function staleAfter(distances: readonly number[], options: { announced?: bigint; setting?: number } = {}) {
    const way = new LiveWay({ staleAfterMs: () => options.setting ?? 10_000 })
    await way.table.open()
    if (options.announced !== undefined) {
      way.send('sentinel_pipeline', { host: 'a', role: 'agent' }, { interval_ms: options.announced })
    }
    way.send('cpu', { host: 'a' }, { v: 0 })
    for (const distance of distances) {
      way.clock.time += distance * SECOND
      way.send('cpu', { host: 'a' }, { v: distance })
    }
    const live = way.table.changedSince(0).find(({ series }) => series.measurement === 'cpu')!
    for (let silent = 0; ; silent++) {
      if (way.table.isStale(live)) return silent - 1
      way.clock.time += SECOND
    }
  }

  it.each<[string, number[], number]>([
    ['once', [], 10],
    ['every second', [1, 1, 1, 1], 10],
    ['every minute', [60, 60, 60, 60], 180],
    ['every minute, seen twice', [60], 180],
    ['every second, after an outage of an hour', [1, 1, 1, 3600], 10],
    ['every second, after a first outage of an hour', [3600, 1], 10],
    ['two samples each minute', [2, 58, 2, 58, 2], 174],
    ['each twelve hours: an interval over an hour is not believed', [43_200, 43_200], 10_800],
  ])('that came %s', async (_, distances, want) => {
    expect(await staleAfter(distances)).toBe(want)
  })

  it('after three of the intervals that the agent of its host announces, from the first sample on', async () => {
    expect(await staleAfter([], { announced: 60_000n })).toBe(180)
    expect(await staleAfter([], { announced: 1_000n })).toBe(10)
    expect(await staleAfter([1, 1, 1], { announced: 60_000n, setting: 300_000 })).toBe(300)
  })
})

describe('LiveSeries.json', () => {
  function json(tags: Record<string, string>, fields: Record<string, FieldValue>): unknown {
    const { series, values, at } = new SampleMaker().sample('a "quoted" name', tags, fields, 1763900000000000)
    series.keepLatest(values)
    series.latestAt = at
    const text = new LiveSeries(series, 1).json()
    expect(text).not.toContain('\n')
    return JSON.parse(text)
  }

  it('writes every kind of value', () => {
    const fields = {
      f: 1.25,
      tiny: 5e-324,
      i: -(2n ** 53n) - 1n,
      u: 2n ** 64n - 1n,
      b: true,
      s: 'line\nbreak "and" 🚀',
    }
    expect(json({ host: 'web "01"' }, { ...fields, nan: Number.NaN, inf: Infinity })).toEqual({
      measurement: 'a "quoted" name',
      tags: { host: 'web "01"' },
      fields: { ...fields, i: '-9007199254740993', u: '18446744073709551615' },
      at: 1763900000000000,
      arrivedAt: 0,
    })
  })

  it('keeps any text and any number', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        (text, number) => {
          const { fields } = json({}, { text, number }) as { fields: { text: string; number: number } }
          expect(fields.text).toBe(text)
          expect(fields.number).toBe(number === 0 ? 0 : number)
        },
      ),
    )
  })
})

async function openWayParts() {
  const way = await openWay()
  return {
    table: way.table,
    send: (measurement: string, value: number) => way.send(measurement, {}, { value }, way.clock.time++),
    sendFields: (measurement: string, fields: Record<string, FieldValue>, at: number) =>
      way.send(measurement, {}, fields, at),
  }
}

function frameOf(
  measurements: string | readonly string[],
  fields: Record<string, FieldValue>,
  at: number,
  seq = 0,
): Buffer {
  const encoder = frameCodec.encoder()
  const maker = new SampleMaker()
  for (const measurement of [measurements].flat()) encoder.add(maker.sample(measurement, {}, fields, at))
  return encoder.finish({ ...blankHeader(), run: 's', seq, sentAt: 1 })
}
