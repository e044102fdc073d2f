import { describe, expect, it } from 'vitest'
import { HandClock } from '../../../test/support/live-feed.ts'
import type { KnownHost, StoreReader } from '../../store/store.ts'
import { KnownHosts } from './known-hosts.ts'

function readerOf(hosts: StoreReader['hosts']): StoreReader {
  return { hosts, history: async () => [], close: async () => {} }
}

describe('KnownHosts', () => {
  it('does not wait for ever for a store that says nothing', async () => {
    let asked = 0
    const reader = readerOf((_since, signal) => {
      asked++
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const known = new KnownHosts({ reader, clock: new HandClock(), timeoutMs: 5 })
    const answers = await Promise.all([known.get(), known.get()])
    const timedOut = expect.objectContaining({ kind: 'away', cause: expect.objectContaining({ name: 'TimeoutError' }) })
    expect(answers.map(({ hosts, failure }) => [hosts.size, failure])).toEqual([
      [0, timedOut],
      [0, timedOut],
    ])
    await known.get()
    expect(asked).toBe(1)
  })

  it('keeps what it knew while the store fails, and asks again when that was some time ago', async () => {
    const answers: Array<() => KnownHost[]> = [
      () => [{ host: 'a', lastSeenAt: 1 }],
      () => {
        throw new Error('away')
      },
      () => [{ host: 'b', lastSeenAt: 2 }],
    ]
    const clock = new HandClock()
    const known = new KnownHosts({ reader: readerOf(async () => answers.shift()!()), clock, freshUs: 100, retryUs: 10 })
    const seen: unknown[] = []
    for (const at of [0, 99, 100, 109, 110]) {
      clock.time = at
      const { hosts, failure } = await known.get()
      seen.push([at, [...hosts.keys()].join(), failure !== undefined])
    }
    expect(seen).toEqual([
      [0, 'a', false],
      [99, 'a', false],
      [100, 'a', true],
      [109, 'a', true],
      [110, 'b', false],
    ])
  })
})
