import { describe, expect, it } from 'vitest'
import { HandClock, SampleMaker } from '../../test/support/live-feed.ts'
import type { KeptReading, LatestReading, LiveChannel } from '../broker/broker.ts'
import { frameCodec } from '../codec/frame.ts'
import { MAX_FRAME_SAMPLES } from '../codec/frame-layout.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import { hasValue } from '../sample/value.ts'
import { LiveAnnouncer } from './announcer.ts'

interface Reading {
  readonly series: string
  readonly fields: Record<string, unknown>
  readonly at: number
}

function readings(payload: Buffer): Reading[] {
  const found: Reading[] = []
  const decoder = frameCodec.decoder(new SeriesTable())
  const refusal = decoder.decode(payload, { receivedAt: 0, tie: 0 }, ({ series, values, at }) => {
    const named = values.map((value, i) => [series.fieldNames[i], value] as const)
    found.push({ series: series.key, fields: Object.fromEntries(named.filter(([, value]) => hasValue(value))), at })
  })
  expect(refusal).toBeUndefined()
  return found
}

/** Keeps what was published. */
class Recorder implements LiveChannel {
  isHeard = true
  readonly messages: Buffer[] = []
  readonly saved: LatestReading[] = []

  publish(payload: Buffer, latest: readonly LatestReading[]): void {
    this.messages.push(payload)
    this.saved.push(...latest)
  }

  async subscribe(): Promise<() => Promise<void>> {
    return async () => {}
  }

  async recall(): Promise<KeptReading[]> {
    return []
  }

  take(): Reading[] {
    return this.messages.splice(0).flatMap(readings)
  }
}

function setUp(options: { intervalMs?: number; saveIntervalMs?: number } = {}) {
  const channel = new Recorder()
  const clock = new HandClock(0)
  const { monotonicMs } = clock
  const announcer = new LiveAnnouncer({ channel, run: 's', clock, monotonicMs, ...options })
  const record = (sample: Sample): void => announcer.record(sample, clock.now())
  return { channel, announcer, record, clock, maker: new SampleMaker() }
}

describe('LiveAnnouncer', () => {
  it('publishes the newest values of each series that changed, once, and nothing when nothing did', () => {
    const { channel, announcer, record, maker } = setUp()
    for (let i = 1; i <= 100; i++) record(maker.sample('m', {}, { a: i, b: -i }, i))
    record(maker.sample('n', {}, { a: 7 }, 3))
    announcer.announce()
    expect(channel.take()).toEqual([
      { series: 'm', fields: { a: 100, b: -100 }, at: 100 },
      { series: 'n', fields: { a: 7 }, at: 3 },
    ])
    announcer.announce()
    expect(channel.messages).toEqual([])
  })

  it('leaves out switches and their ports, whose values travel as snapshots', () => {
    const { channel, announcer, record, maker } = setUp()
    for (const measurement of ['switch', 'fabric_port', 'fabric_info', 'switches'])
      record(maker.sample(measurement, { switch: 'sw1' }, { a: 1 }, 1))
    announcer.announce()
    expect(channel.take().length).toBe(1)
    expect(announcer.stats).toEqual({ messages: 1, old: 0 })
  })

  it('does not let an older sample overwrite a newer one', () => {
    const { channel, announcer, record, maker } = setUp()
    record(maker.sample('m', {}, { a: 2, b: 2 }, 20))
    record(maker.sample('m', {}, { a: 1 }, 10))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 2, b: 2 }, at: 20 }])
    record(maker.sample('m', {}, { a: 1 }, 10))
    announcer.announce()
    expect(channel.take()).toEqual([])
  })

  it('merges the samples of one interval, and drops fields that the next interval lacks', () => {
    const { channel, announcer, record, maker } = setUp()
    record(maker.sample('m', {}, { a: 1 }, 10))
    record(maker.sample('m', {}, { b: 2 }, 10))
    record(maker.sample('m', {}, { c: 3 }, 11))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 1, b: 2, c: 3 }, at: 11 }])
    record(maker.sample('m', {}, { b: 4 }, 12))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { b: 4 }, at: 12 }])
  })

  it('takes no value from NaN', () => {
    const { channel, announcer, record, maker } = setUp()
    record(maker.sample('m', {}, { a: 1 }, 10))
    record(maker.sample('m', {}, { a: Number.NaN }, 11))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 1 }, at: 11 }])
  })

  it('saves a part of the changed series each interval, each series once a round, and the rest when it stops', () => {
    const { channel, announcer, record, maker } = setUp({ intervalMs: 250, saveIntervalMs: 1_000 })
    const recordAll = (at: number) => {
      for (let i = 0; i < 1_000; i++) record(maker.sample('m', { i: `${i}` }, { a: at }, at))
      announcer.announce()
    }
    const shares = [1, 2, 3, 4, 5].map((at) => {
      recordAll(at)
      return channel.saved.splice(0).length
    })
    expect(shares).toEqual([250, 250, 250, 250, 250])

    for (let i = 0; i < 1_000; i++) record(maker.sample('m', { i: `${i}` }, { a: 9 }, 9))
    announcer.stop()
    const keys = channel.saved.map(({ key }) => key)
    expect(new Set(keys).size).toBe(1_000)
    expect(keys.length).toBe(1_000)
    expect(channel.saved.flatMap(({ payload }) => readings(payload)).every(({ fields }) => fields.a === 9)).toBe(true)
    announcer.stop()
    expect(channel.saved.length).toBe(1_000)
  })

  it('saves at most 2,000 series a second, the one that waits longest first', () => {
    const { channel, announcer, record, clock, maker } = setUp({ intervalMs: 250 })
    const samples = Array.from({ length: 12_000 }, (_, i) => maker.sample('m', { i: `${i}` }, { a: i }, 0))
    const saved = Array.from({ length: 24 }, (_, interval) => {
      clock.time += 250_000
      for (const sample of samples) record({ ...sample, at: clock.time + interval })
      announcer.announce()
      return channel.saved.splice(0)
    })
    expect(new Set(saved.map(({ length }) => length))).toEqual(new Set([500]))
    expect(new Set(saved.flat().map(({ key }) => key)).size).toBe(12_000)
  })

  it('says of what it saves how long ago it arrived', () => {
    const { channel, announcer, record, clock, maker } = setUp({ intervalMs: 250 })
    for (let i = 0; i < 70; i++) record(maker.sample('m', { i: `${i}` }, { a: 1 }, clock.now()))
    announcer.announce()
    clock.time += 1_500_000
    announcer.announce()
    expect(channel.saved.map(({ ageMs }) => ageMs)).toEqual([...Array(64).fill(0), ...Array(6).fill(1500)])
  })

  it('while nobody listens, saves, and publishes empty messages by which it learns when somebody does', () => {
    const { channel, announcer, record, maker } = setUp()
    record(maker.sample('m', {}, { a: 1 }, 1))
    announcer.announce()
    expect(channel.take()).toHaveLength(1)
    channel.isHeard = false
    for (let at = 2; at <= 4; at++) {
      record(maker.sample('m', {}, { a: at }, at))
      announcer.announce()
    }
    expect(channel.messages).toHaveLength(3)
    expect(channel.take()).toEqual([])
    expect(channel.saved.flatMap(({ payload }) => readings(payload)).map(({ at }) => at)).toEqual([1, 2, 3, 4])
  })

  it('tells who has just come of all that it may not have found saved, and of nothing twice', () => {
    const { channel, announcer, record, maker } = setUp()
    const change = (from: number, to: number, at: number): void => {
      for (let i = from; i < to; i++) record(maker.sample('m', { i: `${i}` }, { a: at }, at))
      announcer.announce()
    }
    channel.isHeard = false
    // The first 64 are saved at once, and the others wait.
    change(0, 100, 1)
    channel.isHeard = true
    change(90, 110, 2)
    const told = channel.take()
    expect(told).toHaveLength(110)
    expect(told.filter(({ at }) => at === 2)).toHaveLength(20)
    change(0, 1, 3)
    expect(channel.take()).toEqual([{ series: 'm\u0000i\u00010', fields: { a: 3 }, at: 3 }])
  })

  it('tells who has just come also when nothing has changed since', () => {
    const { channel, announcer, record, maker } = setUp()
    channel.isHeard = false
    record(maker.sample('m', {}, { a: 1 }, 1))
    announcer.announce()
    channel.isHeard = true
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 1 }, at: 1 }])
  })

  it('saves few of the series that a source makes new for ever, and all of those that stay', () => {
    const { channel, announcer, record, clock, maker } = setUp()
    const eth = { interface: 'eth0' }
    for (let tick = 0; tick < 400; tick++) {
      clock.time += 250_000
      record(maker.sample('net', eth, { a: tick }, clock.time))
      for (let i = 0; i < 500; i++) record(maker.sample('net', { interface: `veth${tick}-${i}` }, { a: i }, clock.time))
      announcer.announce()
    }
    const keys = channel.saved.map(({ key }) => key)
    expect(new Set(keys).size).toBeLessThan(60_000)
    expect(keys.slice(-2000)).toContain('net\u0000interface\u0001eth0')
  })

  it('numbers and counts its messages', () => {
    const { channel, announcer, record, maker } = setUp()
    const headers = [1, 2, 3].map((at) => {
      record(maker.sample('m', {}, { a: at }, at))
      record(maker.sample('n', {}, { a: at }, at))
      announcer.announce()
      const decoder = frameCodec.decoder(new SeriesTable())
      decoder.decode(channel.messages.at(-1)!, { receivedAt: 0, tie: 0 }, () => {})
      return { ...decoder.header }
    })
    expect(headers.map(({ run, seq, firstSample }) => ({ run, seq, firstSample }))).toEqual([
      { run: 's', seq: 0, firstSample: 0 },
      { run: 's', seq: 1, firstSample: 2 },
      { run: 's', seq: 2, firstSample: 4 },
    ])
    expect(announcer.stats.messages).toBe(3)
  })

  it('starts a second message when the first is full', () => {
    const { channel, announcer, record, maker } = setUp()
    for (let i = 0; i < MAX_FRAME_SAMPLES + 5; i++) record(maker.sample('m', { i: `${i}` }, { a: i }, 1))
    announcer.announce()
    expect(channel.messages.map((payload) => readings(payload).length)).toEqual([MAX_FRAME_SAMPLES, 5])
  })
})

describe('what is news', () => {
  const SECOND = 1e6
  const HOUR = 3_600 * SECOND

  /** A server, and a host that sends a sample a second by a clock that is `ahead` of the server's. */
  function scene() {
    const { channel, announcer, clock, maker } = setUp()
    clock.time = Date.UTC(2026, 0, 10) * 1000
    const shown = { value: -1, times: 0 }
    return {
      clock,
      announcer,
      shown,
      arrive(value: number, at: number): void {
        announcer.record(maker.sample('cpu', { host: 'a' }, { value }, at), clock.now())
        announcer.announce()
        for (const { fields } of channel.take()) {
          shown.value = fields.value as number
          shown.times++
        }
      },
      /** @returns after how many seconds the first of these samples was shown */
      live(seconds: number, ahead: number, everySeconds = 1): number {
        const before = shown.times
        let first = Infinity
        for (let n = 0; n < seconds; n += everySeconds) {
          clock.time += everySeconds * SECOND
          this.arrive(clock.time / SECOND, clock.time + ahead)
          if (shown.times > before) first = Math.min(first, n)
        }
        return first
      },
    }
  }
  const now = ({ clock }: { clock: HandClock }): number => clock.time / SECOND

  it.each([
    ['of the host', 2 * HOUR, 0, 0],
    ['of the host, by less than a minute', 40 * SECOND, 0, 0],
    ['of the host, by some seconds', 8 * SECOND, 0, 0],
    ['of the host, to a wrong time', 0, -300 * SECOND, 10],
    ['of the host, ahead to a wrong time', 0, 300 * SECOND, 10],
  ])('a newer sample with an older time, after the clock was set: %s', (_, before, after, shownAfter) => {
    const way = scene()
    way.live(30, before)
    expect(way.shown.value).toBe(now(way))
    expect(way.live(30, after)).toBe(shownAfter)
    expect(way.shown.value).toBe(now(way))
  })

  it('the same where the server runs on that machine, whichever of the two processes follows first', () => {
    for (const [agentAfter, serverAfter] of [
      [0, 0],
      [20, 50],
      [50, 20],
    ] as const) {
      const way = scene()
      way.live(30, 0)
      // The clocks of both processes go on as before for up to a minute.
      for (let second = 0; second < 60; second++) {
        if (second === serverAfter) way.clock.set(-2 * HOUR)
        way.live(1, (second < serverAfter ? 0 : 2 * HOUR) - (second < agentAfter ? 0 : 2 * HOUR))
      }
      expect(way.shown.value).toBe(now(way))
    }
  })

  it('a host whose clock is five minutes behind, after ten seconds, and with any interval', () => {
    const way = scene()
    expect(way.live(60, -300 * SECOND)).toBe(10)
    expect(way.shown.times).toBe(50)
    expect(scene().live(300, -300 * SECOND, 60)).toBe(60)
  })

  it('is no sample of an outbox that is emptied beside fresh ones', () => {
    const way = scene()
    way.live(30, 0)
    for (let old = 0; old < 3600; old++) {
      if (old % 32 === 0) way.clock.time += SECOND / 20
      if (old % 640 === 0) way.live(1, 0)
      way.arrive(-old, way.clock.time - HOUR + old * SECOND - 60 * SECOND)
      expect(way.shown.value).toBeGreaterThan(0)
    }
    expect(way.announcer.stats.old).toBe(3600)
  })

  it.each([
    ['a server that has just started', 0],
    ['a server that read nothing for an hour', 30],
  ])('is no sample of a host that is dead, whose hour waits in a stream, for %s', (_, before) => {
    const way = scene()
    way.live(before, 0)
    const shown = way.shown.times
    const from = way.clock.time
    way.clock.time += 2 * HOUR
    // A hundred times faster than they were made: for longer than a new pace takes to be believed.
    for (let old = 0; old < 3600; old++) {
      way.clock.time += SECOND / 100
      way.arrive(old, from + old * SECOND)
    }
    expect(way.shown.times).toBe(shown)
  })

  it('is no sample with a time that cannot be, which comes once', () => {
    const way = scene()
    way.live(30, 0)
    way.arrive(-1, Date.UTC(2200, 0, 1) * 1000)
    way.arrive(-2, 0)
    expect(way.shown.value).toBe(now(way))
    expect(way.live(1, 0)).toBe(0)
  })

  it('is no sample of a second host of that name whose clock is wrong, while the first one sends', () => {
    const way = scene()
    for (let second = 0; second < 60; second++) {
      way.live(1, 0)
      way.arrive(-1, way.clock.time - 300 * SECOND)
      expect(way.shown.value).toBe(now(way))
    }
  })
})
