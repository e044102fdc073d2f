import { describe, expect, it } from 'vitest'
import { HandClock, SampleMaker } from '../../test/support/live-feed.ts'
import type { LiveChannel } from '../broker/broker.ts'
import type { Codec, Encoder } from '../codec/codec.ts'
import { frameCodec } from '../codec/frame.ts'
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
  readonly messages: Buffer[] = []
  readonly saved: Array<readonly [key: string, payload: Buffer]> = []

  publish(payload: Buffer, latest: ReadonlyArray<readonly [string, Buffer]>): void {
    this.messages.push(payload)
    this.saved.push(...latest)
  }

  async subscribe(): Promise<() => Promise<void>> {
    return async () => {}
  }

  async recall(): Promise<Buffer[]> {
    return []
  }

  take(): Reading[] {
    return this.messages.splice(0).flatMap(readings)
  }
}

function setUp(options: { codec?: Codec; intervalMs?: number; saveIntervalMs?: number } = {}) {
  const channel = new Recorder()
  const announcer = new LiveAnnouncer({ channel, codec: frameCodec, run: 's', clock: new HandClock(), ...options })
  return { channel, announcer, maker: new SampleMaker() }
}

describe('LiveAnnouncer', () => {
  it('publishes the newest values of each series that changed, once, and nothing when nothing did', () => {
    const { channel, announcer, maker } = setUp()
    for (let i = 1; i <= 100; i++) announcer.record(maker.sample('m', {}, { a: i, b: -i }, i))
    announcer.record(maker.sample('n', {}, { a: 7 }, 3))
    announcer.announce()
    expect(channel.take()).toEqual([
      { series: 'm', fields: { a: 100, b: -100 }, at: 100 },
      { series: 'n', fields: { a: 7 }, at: 3 },
    ])
    announcer.announce()
    expect(channel.messages).toEqual([])
  })

  it('does not let an older sample overwrite a newer one', () => {
    const { channel, announcer, maker } = setUp()
    announcer.record(maker.sample('m', {}, { a: 2, b: 2 }, 20))
    announcer.record(maker.sample('m', {}, { a: 1 }, 10))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 2, b: 2 }, at: 20 }])
    announcer.record(maker.sample('m', {}, { a: 1 }, 10))
    announcer.announce()
    expect(channel.take()).toEqual([])
  })

  it('merges the samples of one interval, and drops fields that the next interval lacks', () => {
    const { channel, announcer, maker } = setUp()
    announcer.record(maker.sample('m', {}, { a: 1 }, 10))
    announcer.record(maker.sample('m', {}, { b: 2 }, 10))
    announcer.record(maker.sample('m', {}, { c: 3 }, 11))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 1, b: 2, c: 3 }, at: 11 }])
    announcer.record(maker.sample('m', {}, { b: 4 }, 12))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { b: 4 }, at: 12 }])
  })

  it('takes no value from NaN', () => {
    const { channel, announcer, maker } = setUp()
    announcer.record(maker.sample('m', {}, { a: 1 }, 10))
    announcer.record(maker.sample('m', {}, { a: Number.NaN }, 11))
    announcer.announce()
    expect(channel.take()).toEqual([{ series: 'm', fields: { a: 1 }, at: 11 }])
  })

  it('saves a part of the changed series each interval, each series once a round, and the rest when it stops', () => {
    const { channel, announcer, maker } = setUp({ intervalMs: 250, saveIntervalMs: 1_000 })
    const recordAll = (at: number) => {
      for (let i = 0; i < 1_000; i++) announcer.record(maker.sample('m', { i: `${i}` }, { a: at }, at))
      announcer.announce()
    }
    const shares = [1, 2, 3, 4, 5].map((at) => {
      recordAll(at)
      return channel.saved.splice(0).length
    })
    expect(shares).toEqual([250, 250, 250, 250, 250])

    for (let i = 0; i < 1_000; i++) announcer.record(maker.sample('m', { i: `${i}` }, { a: 9 }, 9))
    announcer.stop()
    const keys = channel.saved.map(([key]) => key)
    expect(new Set(keys).size).toBe(1_000)
    expect(keys.length).toBe(1_000)
    expect(channel.saved.flatMap(([, payload]) => readings(payload)).every(({ fields }) => fields.a === 9)).toBe(true)
    announcer.stop()
    expect(channel.saved.length).toBe(1_000)
  })

  it('numbers and counts its messages', () => {
    const { channel, announcer, maker } = setUp()
    const headers = [1, 2, 3].map((at) => {
      announcer.record(maker.sample('m', {}, { a: at }, at))
      announcer.record(maker.sample('n', {}, { a: at }, at))
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
    const { channel, announcer, maker } = setUp({ codec: withRoomFor(2) })
    for (let i = 0; i < 5; i++) announcer.record(maker.sample('m', { i: `${i}` }, { a: i }, 1))
    announcer.announce()
    expect(channel.messages.map((payload) => readings(payload).length)).toEqual([2, 2, 1])
  })
})

/** The frame codec, with messages that are full early. */
function withRoomFor(maxSamples: number): Codec {
  const encoder = (): Encoder => {
    const inner = frameCodec.encoder()
    return {
      get count() {
        return inner.count
      },
      add: (sample) => inner.count < maxSamples && inner.add(sample),
      finish: (header) => inner.finish(header),
    }
  }
  return {
    name: 'frame',
    maxSamples,
    encoder,
    decoder: (table) => frameCodec.decoder(table),
    restamp: frameCodec.restamp,
  }
}
