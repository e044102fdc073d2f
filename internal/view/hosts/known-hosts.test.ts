import { describe, expect, it } from 'vitest'
import { FakeReader } from '../../../test/support/fake-reader.ts'
import { HandClock } from '../../../test/support/live-feed.ts'
import type { KnownHost, StoreReader } from '../../store/store.ts'
import { KnownHosts } from './known-hosts.ts'

function readerOf(hosts: StoreReader['hosts']): StoreReader {
  return Object.assign(new FakeReader(), { hosts })
}

describe('KnownHosts', () => {
  it('gives up on a store that does not answer', async () => {
    let asked = 0
    const reader = readerOf((_since, signal) => {
      asked++
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const known = new KnownHosts({ reader, clock: new HandClock(), timeoutMs: 5 })
    const answers = await Promise.all([known.get(), known.get()])
    const timedOut = expect.objectContaining({ kind: 'away', cause: expect.objectContaining({ name: 'TimeoutError' }) })
    expect(answers.map(({ found, failure }) => [found.size, failure])).toEqual([
      [0, timedOut],
      [0, timedOut],
    ])
    await known.get()
    expect(asked).toBe(1)
  })

  it('asks again after the clock was set back', async () => {
    const clock = new HandClock()
    let asked = 0
    const reader = readerOf(async () => {
      asked++
      return []
    })
    const known = new KnownHosts({ reader, clock })
    await known.get()
    clock.set(-7_200e6)
    await known.get()
    await known.get()
    expect(asked).toBe(2)
  })

  it('lets no request wait for a slow store, and serves its answer when it comes', async () => {
    let asked = 0
    let answer = (_hosts: KnownHost[]): void => {}
    const reader = readerOf(() => {
      asked++
      return new Promise((resolve) => {
        answer = resolve
      })
    })
    const clock = new HandClock(0)
    const known = new KnownHosts({ reader, clock, patienceMs: 5 })
    const list = async (): Promise<unknown> => {
      const { found, complete } = await known.get()
      return [[...found.keys()].join(), complete]
    }
    expect(await list()).toEqual(['', false])
    clock.time = 20e6
    answer([{ host: 'a', lastSeenAt: 1 }])
    await new Promise(setImmediate)
    expect(await list()).toEqual(['a', true])
    // It took 20 s, so it serves for 200 s. Then it serves until there is a new one.
    clock.time = 219e6
    expect([await list(), asked]).toEqual([['a', true], 1])
    clock.time = 221e6
    expect([await list(), asked]).toEqual([['a', true], 2])
    answer([{ host: 'b', lastSeenAt: 1 }])
    await new Promise(setImmediate)
    expect([await list(), asked]).toEqual([['b', true], 2])
  })

  it('keeps its hosts while the store fails, and asks again after a pause', async () => {
    const answers: Array<() => KnownHost[]> = [
      () => [{ host: 'a', lastSeenAt: 1 }],
      () => {
        throw new Error('away')
      },
      () => [{ host: 'b', lastSeenAt: 2 }],
    ]
    const clock = new HandClock()
    const known = new KnownHosts({ reader: readerOf(async () => answers.shift()!()), clock })
    const seen: unknown[] = []
    for (const at of [0, 9.9, 10, 11.9, 12]) {
      clock.time = at * 1e6
      const { found, failure } = await known.get()
      seen.push([at, [...found.keys()].join(), failure !== undefined])
    }
    expect(seen).toEqual([
      [0, 'a', false],
      [9.9, 'a', false],
      [10, 'a', true],
      [11.9, 'a', true],
      [12, 'b', false],
    ])
  })
})
