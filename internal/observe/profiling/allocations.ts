import { setTimeout } from 'node:timers/promises'
import { GCProfiler, getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { Allocations } from '../debug-metrics.ts'

/** V8 keeps 3 KB of text for each collection until it is asked: a turn bounds that, and the pause in which it is read. */
const TURN_MS = 1_000

/**
 * What this thread allocates over so long, to within one percent for the heap and exactly for Buffers: the memory in use before each
 * collection less that after the collection before it, and the two ends of the time beside those.
 *
 * @throws the signal's reason as soon as that is aborted
 */
export async function measureAllocations(durationMs: number, signal: AbortSignal): Promise<Allocations> {
  signal.throwIfAborted()
  const sum = { seconds: 0, heapBytes: 0, externalBytes: 0, collections: 0, pauseUs: 0 }
  // Else the memory of Buffers is freed at any time after a collection, and what is freed between two hides what is allocated: of 100 MB,
  // 34 were seen. V8 looks at this flag whenever it sweeps.
  setFlagsFromString('--no-concurrent-array-buffer-sweeping')
  try {
    for (let leftMs = durationMs; leftMs > 0; leftMs -= TURN_MS) {
      const turn = await measureTurn(Math.min(leftMs, TURN_MS), signal)
      for (const figure of FIGURES) sum[figure] += turn[figure]
    }
  } finally {
    setFlagsFromString('--concurrent-array-buffer-sweeping')
  }
  return sum
}

const FIGURES = ['seconds', 'heapBytes', 'externalBytes', 'collections', 'pauseUs'] as const satisfies ReadonlyArray<
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
    // What it freed was allocated too, though it is not there at the end.
    heapBytes += beforeGC.heapStatistics.usedHeapSize - afterGC.heapStatistics.usedHeapSize
    externalBytes += beforeGC.heapStatistics.externalMemory - afterGC.heapStatistics.externalMemory
    // The start of marking pauses the thread as well, but the collection follows.
    if (gcType !== 'IncrementalMarking') collections++
    pauseUs += cost
  }
  return { seconds, heapBytes, externalBytes, collections, pauseUs: Math.round(pauseUs) }
}
