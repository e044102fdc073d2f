import { setTimeout } from 'node:timers/promises'
import { GCProfiler } from 'node:v8'
import { describe, expect, test, vi } from 'vitest'
import { measureAllocations } from './allocations.ts'

const never = new AbortController().signal
/** Four small integers, and before them the map, the properties and the elements. */
const OBJECT_BYTES = 7 * 8
const OBJECTS = 2_000_000
const BUFFER_BYTES = 64 * 1024
const BUFFERS = 2_000

const lastFew: object[] = []

function makeObjects(): void {
  for (let i = 0; i < OBJECTS; i++) lastFew[i & 7] = { a: i, b: 2, c: 3, d: 4 }
}

function makeBuffers(): void {
  for (let i = 0; i < BUFFERS; i++) lastFew[i & 7] = Buffer.allocUnsafeSlow(BUFFER_BYTES)
}

/** Measures while the work runs twice, once in each of the first two turns. */
async function allocationsOf(work: () => void) {
  const turns = vi.spyOn(GCProfiler.prototype, 'start')
  const measured = measureAllocations(1_500, never)
  work()
  while (turns.mock.calls.length < 2) await setTimeout(5)
  turns.mockRestore()
  work()
  return measured
}

describe('the measurement of allocations', () => {
  test('counts objects that are no longer reachable', async () => {
    const { seconds, heapBytes, collections, pauseUs } = await allocationsOf(makeObjects)
    expect(heapBytes / (2 * OBJECTS * OBJECT_BYTES)).toBeGreaterThan(0.99)
    expect(heapBytes / (2 * OBJECTS * OBJECT_BYTES)).toBeLessThan(1.1)
    expect(collections).toBeGreaterThan(0)
    expect(pauseUs).toBeGreaterThan(0)
    expect(pauseUs).toBeLessThan(seconds * 1e6)
    expect(seconds).toBeGreaterThan(1.49)
  })

  test('counts the bytes of buffers, which are outside of the heap', async () => {
    const { heapBytes, externalBytes } = await allocationsOf(makeBuffers)
    expect(externalBytes / (2 * BUFFERS * BUFFER_BYTES)).toBeGreaterThan(0.99)
    expect(externalBytes / (2 * BUFFERS * BUFFER_BYTES)).toBeLessThan(1.02)
    expect(heapBytes).toBeLessThan(0.1 * externalBytes)
  })

  test('ends at once when it is aborted', async () => {
    const ended = new AbortController()
    const measured = measureAllocations(3_600_000, ended.signal)
    ended.abort(new Error('enough'))
    await expect(measured).rejects.toThrow()
    await expect(measureAllocations(1, ended.signal)).rejects.toThrow('enough')
  })
})
