import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { flat, readProfile } from '../../../test/support/pprof.ts'
import { ProfileInProgress, Profiler } from './profiler.ts'

const never = new AbortController().signal
const FILE = 'internal/observe/profiling/profiler.test.ts'

/** Calls it in turns of the event loop, so that V8 inlines it nowhere, until what is awaited is there. */
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
function hot(): void {
  for (let i = 0; i < 1_000_000; i++) roots[i % 1_000] = Math.sqrt(i)
}

describe('a CPU profile', () => {
  test('has on top what the process works at', async () => {
    const beforeMs = Date.now()
    const file = await meanwhile(new Profiler('server').cpu(1_000, never), hot)
    const profile = readProfile(file)
    expect(profile).toMatchObject({
      program: 'server',
      sampleTypes: ['samples/count', 'cpu/nanoseconds'],
      defaultSampleType: 'cpu',
      period: expect.stringMatching(/^1\d{7} cpu\/nanoseconds$/),
    })
    expect(profile.startedAtMs).toBeGreaterThanOrEqual(beforeMs)
    expect(profile.startedAtMs + profile.durationMs).toBeLessThanOrEqual(Date.now() + 1)
    expect(profile.durationMs).toBeGreaterThanOrEqual(999)
    expect(profile.comments.join('\n')).toMatch(/used \d+\.\d{3} s of CPU/)
    const [top, ...others] = flat(profile, 'cpu/nanoseconds')
    expect(top?.[0]).toBe(`hot ${FILE}`)
    for (const [, value] of others) expect(value).toBeLessThan(top![1] / 2)
  })

  test('has no stack of a thread that waits', async () => {
    const profile = readProfile(await new Profiler('server').cpu(300, never))
    const names = profile.samples.flatMap(({ stack }) => stack.map(({ name }) => name))
    expect(names).not.toContain('(idle)')
    expect(names).not.toContain('(root)')
  })
})

const OBJECTS = 1_000_000
/** Four small integers: a map, properties, elements, and the four. */
const OBJECT_BYTES = 7 * 8
const ring: object[] = []

function allocate(): void {
  for (let i = 0; i < OBJECTS; i++) ring[i & 1023] = { a: i & 7, b: 2, c: 3, d: 4 }
}

const kept: object[][] = []
const KEPT_BYTES = 1000 * OBJECT_BYTES
function keep(): void {
  kept.push(Array.from({ length: 1000 }, (_, i) => ({ a: i, b: 2, c: 3, d: 4 })))
}
function drop(): void {
  for (let i = 0; i < 1000; i++) ring[i & 7] = { a: i, b: 2, c: 3, d: 4 }
}

const within = (share: number, expected: number) => ({
  asymmetricMatch: (value: number) => Math.abs(value - expected) <= share * expected,
  toString: () => `${expected} ± ${share * 100} %`,
})

/** What all stacks with a function have. */
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
      period: '65536 space/bytes',
    })
    expect(profile.startedAtMs).toBeGreaterThanOrEqual(beforeMs)
    expect(profile.durationMs).toBeGreaterThanOrEqual(199)
    expect(profile.comments.join('\n')).toMatch(/alloc_\*.* in the first \d+\.\d s.*\ninuse_\*.* in the 0\.2 s after/)
    expect(profile.samples.flatMap(({ stack }) => stack.map(({ name }) => name))).not.toContain('(root)')
  })

  test('has what was allocated and thrown away, by as much as it was', async () => {
    const profiler = new Profiler('server')
    // Loads what the profiles take, so that the next begins at once. Then its first turn cannot end while this works.
    await profiler.heap(1, never)
    const taken = profiler.heap(3_000, never)
    for (let i = 0; i < 20; i++) await turn()
    allocate()
    const profile = readProfile(await taken)
    expect(cumulated(profile, 'allocate')).toEqual({
      'alloc_objects/count': within(0.15, OBJECTS),
      'alloc_space/bytes': within(0.15, OBJECTS * OBJECT_BYTES),
      'inuse_objects/count': 0,
      'inuse_space/bytes': 0,
    })
    const frames = profile.samples.flatMap(({ stack }) => stack).filter(({ name }) => name === 'allocate')
    expect(new Set(frames.map(({ file }) => file))).toEqual(new Set([FILE]))
  })

  test('has in use what was kept, and of what was thrown away nothing', async () => {
    kept.length = 0
    const file = await meanwhile(new Profiler('server').heap(2_000, never), () => {
      keep()
      drop()
    })
    const profile = readProfile(file)
    const keeping = cumulated(profile, 'keep')
    const dropping = cumulated(profile, 'drop')
    // What is kept in the first turn is allocated, what is kept in the second is in use: together it is all.
    const allKept = keeping['alloc_space/bytes']! + keeping['inuse_space/bytes']!
    expect(allKept).toEqual(within(0.3, kept.length * KEPT_BYTES))
    expect(keeping['inuse_space/bytes']).toBeGreaterThan(0)
    expect(dropping['alloc_space/bytes']).toBeGreaterThan(0)
    expect(dropping['inuse_space/bytes']).toBeLessThan(keeping['inuse_space/bytes']! / 20)
    kept.length = 0
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

  test('end at once when they are given up, and the next can begin', async () => {
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
