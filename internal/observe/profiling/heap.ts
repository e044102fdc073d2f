import { Session } from 'node:inspector/promises'
import { setTimeout } from 'node:timers/promises'
import { heap } from '@datadog/pprof'
import type { Profile } from 'pprof-format'
import { sizeText } from '../../text/size.ts'
import { ProfileBuilder } from './builder.ts'
import { Sources } from './sources.ts'

/**
 * One sample every so many bytes on average, as Go does. At an eighth of it a process that does nothing but decode and encode lost 8 % of
 * its throughput, and now about 2 % (docs/profiling.md).
 */
const INTERVAL_BYTES = 512 * 1024
const STACK_DEPTH = 128

/** Of what is allocated V8 keeps a record for every sample, whatever has become of the object: at 1 GB/s 2,000 a second. */
const MAX_ALLOCATED_TURN_MS = 30_000

/** A function of V8's tree of stacks, and what the samples taken in it stand for: so many objects of such a size. */
interface AllocationNode {
  readonly name?: string
  readonly scriptName: string
  readonly lineNumber?: number
  readonly children: readonly AllocationNode[]
  readonly allocations: ReadonlyArray<{ readonly sizeBytes: number; readonly count: number }>
}

/**
 * What is allocated, and what is left of it.
 *
 * V8 has one sampler in a process, and sees no object that was there before it was started. It either keeps the samples of objects that
 * have been collected, which gives what was allocated, or forgets them, which gives what is still in use. So there are two turns, one
 * after the other: `alloc` is the first half of the time, 30 s at most; `inuse` is what was allocated in the rest and is there at its end.
 *
 * @throws the signal's reason as soon as that is aborted
 */
export async function takeHeapProfile(program: string, durationMs: number, signal: AbortSignal): Promise<Profile> {
  signal.throwIfAborted()
  const startedAtMs = Date.now()
  const allocatedMs = Math.min(durationMs / 2, MAX_ALLOCATED_TURN_MS)
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

/** One turn of the sampler. @param collectedToo keeps the samples of objects that are collected meanwhile */
async function sample(
  session: Session,
  collectedToo: boolean,
  durationMs: number,
  signal: AbortSignal,
): Promise<AllocationNode> {
  await session.post('HeapProfiler.startSampling', {
    samplingInterval: INTERVAL_BYTES,
    includeObjectsCollectedByMajorGC: collectedToo,
    includeObjectsCollectedByMinorGC: collectedToo,
  })
  // The inspector tells bytes and no objects, and the library tells both but cannot start it like that before Node.js 26. Since there is
  // one sampler, this start does nothing but let the library read it.
  heap.start(INTERVAL_BYTES, STACK_DEPTH)
  try {
    await setTimeout(durationMs, undefined, { signal })
    // What nobody refers to any more is in use until it is collected.
    if (!collectedToo) await session.post('HeapProfiler.collectGarbage')
    return heap.v8Profile() as AllocationNode
  } finally {
    heap.stop()
  }
}

function* scriptsOf({ scriptName, children }: AllocationNode): Generator<string> {
  yield scriptName
  for (const child of children) yield* scriptsOf(child)
}

/** Adds every stack below the root, which is no function. @param valuesOf the values of a sample from objects and bytes */
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
