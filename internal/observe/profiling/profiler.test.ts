import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { heap } from '@datadog/pprof'
import { describe, expect, test, vi } from 'vitest'
import { flat, readProfile } from '../../../test/support/pprof.ts'
import { ProfileInProgress, Profiler } from './profiler.ts'

const never = new AbortController().signal
const FILE = 'internal/observe/profiling/profiler.test.ts'

/** Calls `work` in turns of the event loop until the promise settles. From there V8 cannot inline it. */
async function meanwhile<T>(awaited: Promise<T>, work: () => void): Promise<T> {
  let timer = setImmediate(function again() {
    timer = setImmediate(again)
    setImmediate(work)
  })
  try {
    return await awaited
  } finally {
    clearImmediate(timer)
  }
}

const roots = new Float64Array(1_000)

// Nothing but loops: V8 compiles them while they run, and stays in that code.
function hot(): void {
  for (let i = 0; i < 1_000_000; i++) roots[i % 1_000] = Math.sqrt(i)
}
function hotBefore(): void {
  for (let i = 0; i < 1_000_000; i++) roots[i % 1_000] = Math.sqrt(i)
}

// V8 inlines `small` into `large`.
function small(i: number): number {
  return Math.sqrt(i) + 1
}
function large(): void {
  for (let i = 0; i < 1_000_000; i++) roots[i % 1_000] = small(i)
}

describe('a CPU profile', () => {
  test('says what it covers, in the types of Go', async () => {
    const beforeMs = Date.now()
    const profile = readProfile(await meanwhile(new Profiler('server').cpu(1_000, never), hot))
    expect(profile).toMatchObject({
      program: 'server',
      sampleTypes: ['samples/count', 'cpu/nanoseconds'],
      defaultSampleType: 'cpu',
      period: expect.stringMatching(/^[12]\d{7} cpu\/nanoseconds$/),
    })
    expect(profile.startedAtMs).toBeGreaterThanOrEqual(beforeMs)
    expect(profile.startedAtMs + profile.durationMs).toBeLessThanOrEqual(Date.now() + 1)
    expect(profile.durationMs).toBeGreaterThanOrEqual(999)
    expect(profile.comments.join('\n')).toMatch(/used \d+\.\d{3} s of CPU/)
  })

  test.each([
    ['that begins with the profile', hot, 0],
    ['that V8 has compiled before the profile', hotBefore, 300],
  ])('has a busy loop %s on top', async (_, work, warmUpMs) => {
    await meanwhile(sleep(warmUpMs), work)
    const profile = readProfile(await meanwhile(new Profiler('server').cpu(600, never), work))
    const [top, ...others] = flat(profile, 'cpu/nanoseconds')
    expect(top?.[0]).toBe(`${work.name} ${FILE}`)
    for (const [, value] of others) expect(value).toBeLessThan(top![1] / 2)
  })

  test('counts what V8 inlines for the function itself or for its caller', async () => {
    await meanwhile(sleep(300), large)
    const profile = readProfile(await meanwhile(new Profiler('server').cpu(600, never), large))
    const times = flat(profile, 'cpu/nanoseconds')
    const sum = (values: typeof times): number => values.reduce((all, [, value]) => all + value, 0)
    const own = times.filter(([name]) => name === `small ${FILE}` || name === `large ${FILE}`)
    expect(sum(own)).toBeGreaterThan(sum(times) / 2)
    for (const { stack } of profile.samples) {
      const names = stack.map(({ name }) => name)
      if (names.includes('small')) expect(names[names.indexOf('small') + 1]).toBe('large')
    }
  })

  test('has no stack of a thread that waits', async () => {
    const profile = readProfile(await new Profiler('server').cpu(300, never))
    const names = profile.samples.flatMap(({ stack }) => stack.map(({ name }) => name))
    expect(names).not.toContain('(idle)')
    expect(names).not.toContain('(root)')
  })
})

const OBJECTS = 8_000_000
/** Four small integers, and before them the map, the properties and the elements. */
const OBJECT_BYTES = 7 * 8
const KEPT = 2_000_000
const kept: object[] = []
const lastFew: object[] = []

function keep(): void {
  for (let i = 0; i < KEPT; i++) kept[i] = { a: i, b: 2, c: 3, d: 4 }
}
function drop(): void {
  for (let i = 0; i < OBJECTS; i++) lastFew[i & 7] = { a: i, b: 2, c: 3, d: 4 }
}

/**
 * Resolves when the sampler has started `count` times. Its current turn cannot end while this thread works.
 */
async function turnBegins(count: number): Promise<void> {
  const start = vi.spyOn(heap, 'start')
  while (start.mock.calls.length < count) await turn()
  start.mockRestore()
}

const within = (share: number, expected: number) => ({
  asymmetricMatch: (value: number) => Math.abs(value - expected) <= share * expected,
  toString: () => `${expected} ± ${share * 100} %`,
})

/** The sums over all stacks that contain a function. */
function cumulated(profile: ReturnType<typeof readProfile>, name: string): Record<string, number> {
  const sums = profile.sampleTypes.map((_, i) =>
    profile.samples
      .filter(({ stack }) => stack.some((frame) => frame.name === name))
      .reduce((sum, { values }) => sum + values[i]!, 0),
  )
  return Object.fromEntries(profile.sampleTypes.map((type, i) => [type, sums[i]!]))
}

describe('a heap profile', () => {
  test('says what it covers, in the types of Go', async () => {
    const beforeMs = Date.now()
    const profile = readProfile(await new Profiler('server').heap(400, never))
    expect(profile).toMatchObject({
      program: 'server',
      sampleTypes: ['alloc_objects/count', 'alloc_space/bytes', 'inuse_objects/count', 'inuse_space/bytes'],
      defaultSampleType: 'inuse_space',
      period: '524288 space/bytes',
    })
    expect(profile.startedAtMs).toBeGreaterThanOrEqual(beforeMs)
    expect(profile.durationMs).toBeGreaterThanOrEqual(199)
    expect(profile.comments.join('\n')).toMatch(/alloc_\*.* in the first \d+\.\d s.*\ninuse_\*.* in the 0\.2 s after/)
    expect(profile.samples.flatMap(({ stack }) => stack.map(({ name }) => name))).not.toContain('(root)')
  })

  test('has in its first half everything that was allocated, also if it was collected', async () => {
    const taken = new Profiler('server').heap(2_000, never)
    await turnBegins(1)
    drop()
    const profile = readProfile(await taken)
    expect(cumulated(profile, 'drop')).toEqual({
      'alloc_objects/count': within(0.15, OBJECTS),
      'alloc_space/bytes': within(0.15, OBJECTS * OBJECT_BYTES),
      'inuse_objects/count': 0,
      'inuse_space/bytes': 0,
    })
    const frames = profile.samples.flatMap(({ stack }) => stack).filter(({ name }) => name === 'drop')
    expect(new Set(frames.map(({ file }) => file))).toEqual(new Set([FILE]))
  })

  test('has in its second half what is still in use, and nothing that was collected', async () => {
    const taken = new Profiler('server').heap(2_000, never)
    await turnBegins(2)
    keep()
    drop()
    const profile = readProfile(await taken)
    expect(cumulated(profile, 'keep')).toEqual({
      'alloc_objects/count': 0,
      'alloc_space/bytes': 0,
      // The array that has them grows in one place while they are made in many.
      'inuse_objects/count': within(0.3, kept.length),
      'inuse_space/bytes': within(0.3, kept.length * (OBJECT_BYTES + 8)),
    })
    expect(cumulated(profile, 'drop')['inuse_space/bytes']).toBeLessThan(OBJECT_BYTES * OBJECTS * 0.01)
  })
})

describe.each(['cpu', 'heap'] as const)('%s profiles', (kind) => {
  test('are taken one at a time', async () => {
    const profiler = new Profiler('server')
    const ended = new AbortController()
    const first = profiler[kind](60_000, ended.signal)
    const refused = await profiler[kind](1_000, never).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ProfileInProgress)
    expect((refused as ProfileInProgress).remainingMs).toBeGreaterThan(50_000)
    ended.abort(new Error('enough'))
    await expect(first).rejects.toThrow()
  })

  test('end at once when they are aborted, and the next can begin', async () => {
    const profiler = new Profiler('server')
    const ended = new AbortController()
    const first = profiler[kind](3_600_000, ended.signal)
    for (let i = 0; i < 20; i++) await turn()
    ended.abort()
    await expect(first).rejects.toThrow()
    expect(readProfile(await profiler[kind](200, never)).program).toBe('server')
    await expect(profiler[kind](200, ended.signal)).rejects.toThrow()
  })
})

test('a CPU profile and a heap profile can be taken together', async () => {
  const profiler = new Profiler('server')
  const files = await Promise.all([profiler.cpu(400, never), profiler.heap(400, never)])
  expect(files.map((file) => readProfile(file).defaultSampleType)).toEqual(['cpu', 'inuse_space'])
})
