import { expect, it, vi } from 'vitest'
import type { Snapshot } from './snapshot.ts'
import { Snapshots } from './snapshots.ts'
import { SwitchProfile } from './switch.ts'

it('has its first snapshot at the start, and another each interval from then on', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    const startMs = 1_700_000_003_456
    const clock = { now: () => (startMs + Math.floor(performance.now() - beganAt)) * 1_000 }
    const beganAt = performance.now()
    const made: Snapshot[] = []
    const snapshots = new Snapshots({
      profile: new SwitchProfile({ switches: 5, intervalMs: 10_000, seed: 1 }),
      intervalMs: 10_000,
      clock,
      onSnapshot: (snapshot) => made.push(snapshot),
      onError: (error) => {
        throw error
      },
    })
    await snapshots.start()
    expect(snapshots.current).toBe(made[0])
    await vi.advanceTimersByTimeAsync(9_999)
    expect(made).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(made.map(({ number, atUs }) => [number, atUs / 1_000 - startMs])).toEqual([
      [0, 0],
      [1, 10_000],
      [2, 20_000],
    ])
    expect([snapshots.current, snapshots.missed]).toEqual([made[2], 0])
    await snapshots.stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(made).toHaveLength(3)
  } finally {
    vi.useRealTimers()
  }
})
