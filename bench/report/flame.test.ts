import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProfileBuilder } from '../../internal/observe/profiling/builder.ts'
import { Sources } from '../../internal/observe/profiling/sources.ts'
import { type Flame, flameOf, readFlame } from './flame.ts'

type Stack = readonly [outermostFirst: readonly string[], ...values: number[]]

/** A profile of stacks of `name file line`. */
function profileOf(sampleTypes: ReadonlyArray<readonly [string, string]>, stacks: readonly Stack[]) {
  const builder = new ProfileBuilder(new Sources('/nowhere'))
  for (const [calls, ...values] of stacks) {
    const places = calls.map((call) => call.split(' ') as [string, string?, string?])
    const ids = places.map(([name, file = '', line = '0']) => builder.location(name, file, Number(line)))
    builder.add(ids.reverse(), values)
  }
  return profileWith(builder, sampleTypes, [])
}

function profileWith(
  builder: ProfileBuilder,
  sampleTypes: ReadonlyArray<readonly [string, string]>,
  comments: readonly string[],
) {
  return builder.build({
    program: 'server',
    sampleTypes,
    defaultSampleType: sampleTypes[0]![0],
    period: ['cpu', 'nanoseconds', 1],
    startedAtMs: 0,
    durationMs: 1000,
    comments,
  })
}

const CPU = [
  ['samples', 'count'],
  ['cpu', 'nanoseconds'],
] as const

/** The tree as text, a line for each node. */
function drawn({ frames, nodes }: Flame): string[] {
  return nodes.frame.map((frame, i) => `${' '.repeat(nodes.depth[i]!)}${frames[frame]!.name} ${nodes.value[i]}`)
}

describe('flameOf', () => {
  it.each<[string, readonly Stack[], string[]]>([
    ['one call', [[['main'], 1, 10]], ['main 10']],
    [
      'what a call has itself',
      [
        [['main', 'work'], 1, 10],
        [['main'], 1, 5],
      ],
      ['main 15', ' work 10'],
    ],
    [
      'the widest of siblings first',
      [
        [['main', 'a'], 1, 1],
        [['main', 'b'], 1, 3],
        [['main', 'c'], 1, 2],
      ],
      ['main 6', ' b 3', ' c 2', ' a 1'],
    ],
    [
      'one function under two callers as two nodes',
      [
        [['a', 'work'], 1, 2],
        [['b', 'work'], 1, 1],
      ],
      ['a 2', ' work 2', 'b 1', ' work 1'],
    ],
    [
      'recursion',
      [
        [['f', 'f', 'f'], 1, 4],
        [['f', 'f'], 1, 1],
      ],
      ['f 5', ' f 5', '  f 4'],
    ],
    [
      'no node for a stack without a value',
      [
        [['main'], 1, 10],
        [['idle', 'wait'], 1, 0],
      ],
      ['main 10'],
    ],
  ])('%s', (_, stacks, tree) => {
    expect(drawn(flameOf(profileOf(CPU, stacks), 'cpu/nanoseconds')!)).toEqual(tree)
  })

  it('takes the values of the type that is asked for', () => {
    const types = [...CPU, ['alloc_space', 'bytes']] as const
    const flame = flameOf(profileOf(types, [[['main'], 1, 2, 300]]), 'alloc_space/bytes')!
    expect(flame.unit).toBe('bytes')
    expect(drawn(flame)).toEqual(['main 300'])
  })

  it('is undefined when nothing was sampled', () => {
    expect(flameOf(profileOf(CPU, []), 'cpu/nanoseconds')).toBeUndefined()
  })

  it('refuses a profile of something else', () => {
    expect(() => flameOf(profileOf(CPU, []), 'alloc_space/bytes')).toThrow('the profile has no alloc_space/bytes')
  })

  it.each([
    [
      'decode internal/codec/packed.ts 31',
      { name: 'decode', file: 'internal/codec/packed.ts', line: 31, origin: 'own' },
    ],
    [
      'parse node_modules/ioredis/x.js 7',
      { name: 'parse', file: 'node_modules/ioredis/x.js', line: 7, origin: 'package' },
    ],
    ['read node:fs 3', { name: 'read', file: 'node:fs', line: 3, origin: 'node' }],
    ['writev', { name: 'writev', file: '', line: 0, origin: 'native' }],
    ['run /home/somebody/run.js 1', { name: 'run', file: 'run.js', line: 1, origin: 'own' }],
  ])('knows whose %s is', (call, frame) => {
    expect(flameOf(profileOf(CPU, [[[call], 1, 1]]), 'cpu/nanoseconds')!.frames).toEqual([frame])
  })

  it('does not count native code for the garbage collector', () => {
    const builder = new ProfileBuilder(new Sources('/nowhere'))
    for (const name of ['Garbage Collection', 'writev']) builder.add([builder.location(name, '', 0)], [1, 1])
    const { frames, comments } = flameOf(profileWith(builder, CPU, ['used 8.9 s of CPU']), 'cpu/nanoseconds')!
    expect(frames.map(({ name, origin }) => [name, origin])).toEqual([
      ['Garbage Collection', 'collector'],
      ['writev', 'native'],
    ])
    expect(comments).toEqual(['used 8.9 s of CPU'])
  })
})

describe('readFlame', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flame-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('reads a file as the servers give it', async () => {
    const path = join(folder, 'cpu.pb.gz')
    await writeFile(path, gzipSync(profileOf(CPU, [[['main'], 1, 10]]).encode()))
    expect(drawn((await readFlame(path, 'cpu/nanoseconds'))!)).toEqual(['main 10'])
  })

  it('fails on a file that is not a profile', async () => {
    const path = join(folder, 'cpu.pb.gz')
    await writeFile(path, 'not gzipped')
    await expect(readFlame(path, 'cpu/nanoseconds')).rejects.toThrow()
  })
})
