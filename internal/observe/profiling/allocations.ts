import { setTimeout } from 'node:timers/promises'
import { GCProfiler, getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { Allocations } from '../debug-metrics.ts'

/**
 * V8 keeps 3 KB of text per collection until it is read. Short turns bound that memory, and the pause of reading it.
 */
const TURN_MS = 1_000

/**
 * Measures what this thread allocates, to within one percent for the heap and exactly for Buffers. It adds up the
 * growth of the memory in use between one collection and the next, from the start of the time to its end.
 *
 * @throws the signal's reason when the signal is aborted
 */
export async function measureAllocations(durationMs: number, signal: AbortSignal): Promise<Allocations> {
  signal.throwIfAborted()
  const sum = { seconds: 0, heapBytes: 0, externalBytes: 0, collections: 0, pauseUs: 0 }
  // By default V8 frees the memory of Buffers some time after a collection, which hides what is allocated meanwhile: of
  // 100 MB, 34 MB were seen. V8 reads this flag whenever it sweeps.
  setFlagsFromString('--no-concurrent-array-buffer-sweeping')
  try {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= TURN_MS) {
      const turn = await measureTurn(Math.min(leftMs, TURN_MS), signal)
      for (const key of KEYS) sum[key] += turn[key]
    }
  } finally {
    setFlagsFromString('--concurrent-array-buffer-sweeping')
  }
  return sum
}

const KEYS = ['seconds', 'heapBytes', 'externalBytes', 'collections', 'pauseUs'] as const satisfies ReadonlyArray<
  keyof Allocations
>

async function measureTurn(durationMs: number, signal: AbortSignal): Promise<Allocations> {
  const profiler = new GCProfiler()
  const startedAtMs = performance.now()
  const { used_heap_size: heapAtStart, external_memory: externalAtStart } = getHeapStatistics()
  profiler.start()
  try {
    await setTimeout(durationMs, undefined, { signal })
  } catch (error) {
    profiler.stop()
    throw error
  }
  const seconds = (performance.now() - startedAtMs) / 1000
  const { used_heap_size: heapAtEnd, external_memory: externalAtEnd } = getHeapStatistics()

  let heapBytes = heapAtEnd - heapAtStart
  let externalBytes = externalAtEnd - externalAtStart
  let collections = 0
  let pauseUs = 0
  for (const { gcType, cost, beforeGC, afterGC } of profiler.stop().statistics) {
    // The collection freed memory that was allocated too.
    heapBytes += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize
    externalBytes += beforeGC.heapStatistics.externalMemory - afterGC.heapStatistics.externalMemory
    // The start of marking also pauses the thread, but is not a collection.
    if (gcType !== 'IncrementalMarking') collections++
    pauseUs += cost
  }
  return { seconds, heapBytes, externalBytes, collections, pauseUs: Math.round(pauseUs) }
}
