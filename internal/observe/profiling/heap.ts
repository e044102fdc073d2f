import { Session } from 'node:inspector/promises'
import { setTimeout } from 'node:timers/promises'
import { heap } from '@datadog/pprof'
import type { Profile } from 'pprof-format'
import { sizeText } from '../../text/size.ts'
import { ProfileBuilder } from './builder.ts'
import { Sources } from './sources.ts'

/**
 * One sample per 512 KiB on average, as in Go. It costs a process that only decodes and encodes about 2 % of its
 * throughput; an eighth of this interval cost 8 % (docs/profiling.md).
 */
const INTERVAL_BYTES = 512 * 1024
const STACK_DEPTH = 128

/** V8 keeps a record of every sampled allocation, even after the object is collected: 2,000 a second at 1 GB/s. */
const MAX_ALLOCATED_MS = 30_000

/** A function in V8's tree of stacks, with its sampled allocations: a number of objects of one size. */
interface AllocationNode {
  readonly name?: string
  readonly scriptName: string
  readonly lineNumber?: number
  readonly children: readonly AllocationNode[]
  readonly allocations: ReadonlyArray<{ readonly sizeBytes: number; readonly count: number }>
}

/**
 * Profiles what is allocated, and what stays in use.
 *
 * V8 has one sampler per process, which sees only objects allocated after its start. It can keep the samples of
 * collected objects, which gives what was allocated, or forget them, which gives what is in use. So there are two
 * phases: `alloc` covers the first half of the time, at most 30 s; `inuse` covers what is allocated in the rest of the
 * time and still in use at its end.
 *
 * @throws the signal's reason when the signal is aborted
 */
export async function takeHeapProfile(program: string, durationMs: number, signal: AbortSignal): Promise<Profile> {
  signal.throwIfAborted()
  const startedAtMs = Date.now()
  const allocatedMs = Math.min(durationMs / 2, MAX_ALLOCATED_MS)
  const inUseMs = durationMs - allocatedMs
  const session = new Session()
  session.connect()
  try {
    const from = performance.now()
    const allocated = await sample(session, true, allocatedMs, signal)
    const allocatedTookMs = performance.now() - from
    const inUse = await sample(session, false, inUseMs, signal)
    const sources = new Sources()
    await sources.load([...scriptsOf(allocated), ...scriptsOf(inUse)])
    const builder = new ProfileBuilder(sources)
    addTree(builder, allocated, (objects, bytes) => [objects, bytes, 0, 0])
    addTree(builder, inUse, (objects, bytes) => [0, 0, objects, bytes])
    return builder.build({
      program,
      sampleTypes: [
        ['alloc_objects', 'count'],
        ['alloc_space', 'bytes'],
        ['inuse_objects', 'count'],
        ['inuse_space', 'bytes'],
      ],
      defaultSampleType: 'inuse_space',
      period: ['space', 'bytes', INTERVAL_BYTES],
      startedAtMs,
      durationMs: allocatedTookMs,
      comments: [
        `alloc_*: all that was allocated in the first ${seconds(allocatedTookMs)} s, which is the duration of this profile.`,
        `inuse_*: what was allocated in the ${seconds(inUseMs)} s after that and was still in use at their end.`,
        'Buffers have their bytes outside of this heap. The process as a whole then:',
        Object.entries(process.memoryUsage())
          .map(([kind, bytes]) => `${kind} ${sizeText(bytes)}`)
          .join(', '),
      ],
    })
  } finally {
    session.disconnect()
  }
}

/** Runs the sampler for one phase. @param keepCollected keeps the samples of objects that are collected meanwhile */
async function sample(
  session: Session,
  keepCollected: boolean,
  durationMs: number,
  signal: AbortSignal,
): Promise<AllocationNode> {
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: INTERVAL_BYTES,
    includeObjectsCollectedByMajorGC: keepCollected,
    includeObjectsCollectedByMinorGC: keepCollected,
  })
  // The inspector reports bytes but no objects. The library reports both, but cannot set these options before Node.js
  // 26. There is only one sampler, so this second start has no effect except that the library can read it.
  heap.start(INTERVAL_BYTES, STACK_DEPTH)
  try {
    await setTimeout(durationMs, undefined, { signal })
    // An unreachable object counts as in use until it is collected.
    if (!keepCollected) await session.post('HeapProfiler.collectGarbage')
    return heap.v8Profile() as AllocationNode
  } finally {
    heap.stop()
  }
}

function* scriptsOf({ scriptName, children }: AllocationNode): Generator<string> {
  yield scriptName
  for (const child of children) yield* scriptsOf(child)
}

/**
 * Adds every stack below the root, which is not a function.
 *
 * @param valuesOf makes the values of a sample from objects and bytes
 */
function addTree(
  builder: ProfileBuilder,
  root: AllocationNode,
  valuesOf: (objects: number, bytes: number) => readonly number[],
): void {
  const add = (
    { name = '', scriptName, lineNumber = 0, children, allocations }: AllocationNode,
    outer: number[],
  ): void => {
    const stack = [builder.location(name, scriptName, lineNumber), ...outer]
    let objects = 0
    let bytes = 0
    for (const { count, sizeBytes } of allocations) {
      objects += count
      bytes += count * sizeBytes
    }
    if (objects > 0) builder.add(stack, valuesOf(objects, bytes))
    for (const child of children) add(child, stack)
  }
  for (const child of root.children) add(child, [])
}

function seconds(ms: number): string {
  return (ms / 1e3).toFixed(1)
}
