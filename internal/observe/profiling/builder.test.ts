import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { readProfile } from '../../../test/support/pprof.ts'
import { ProfileBuilder, type ProfileHead } from './builder.ts'
import { Sources } from './sources.ts'

const head: ProfileHead = {
  program: 'server',
  sampleTypes: [
    ['samples', 'count'],
    ['cpu', 'nanoseconds'],
  ],
  defaultSampleType: 'cpu',
  period: ['cpu', 'nanoseconds', 10_000_000],
  startedAtMs: 1_763_900_000_123,
  durationMs: 30_001.5,
  comments: ['how it was taken', 'and what it leaves out'],
}

function built(fill: (builder: ProfileBuilder) => void) {
  const builder = new ProfileBuilder(new Sources('/app'))
  fill(builder)
  return readProfile(gzipSync(builder.build(head).encode()))
}

test('a profile says what it is', () => {
  expect(built(() => {})).toEqual({
    program: 'server',
    sampleTypes: ['samples/count', 'cpu/nanoseconds'],
    defaultSampleType: 'cpu',
    period: '10000000 cpu/nanoseconds',
    startedAtMs: 1_763_900_000_123,
    durationMs: 30_001.5,
    comments: ['how it was taken', 'and what it leaves out'],
    samples: [],
  })
})

test('what comes with one stack is added up, and recursion is a stack like any other', () => {
  const { samples } = built((builder) => {
    const caller = builder.location('caller', '/app/a.js', 3)
    const callee = builder.location('callee', '/app/a.js', 9)
    builder.add([callee, caller], [1, 10])
    builder.add([callee, callee, caller], [2, 20])
    builder.add([callee, builder.location('caller', '/app/a.js', 3)], [4, 40])
  })
  const caller = { name: 'caller', file: 'a.js', line: 3 }
  const callee = { name: 'callee', file: 'a.js', line: 9 }
  expect(samples).toEqual([
    { stack: [callee, caller], values: [5, 50] },
    { stack: [callee, callee, caller], values: [2, 20] },
  ])
})

test('lines of one function, and functions of one name, are told apart', () => {
  const { samples } = built((builder) => {
    builder.add([builder.location('add', '/app/a.js', 3)], [1, 1])
    builder.add([builder.location('add', '/app/a.js', 4)], [1, 1])
    builder.add([builder.location('add', '/app/b.js', 3)], [1, 1])
  })
  expect(samples.map(({ stack }) => stack[0])).toEqual([
    { name: 'add', file: 'a.js', line: 3 },
    { name: 'add', file: 'a.js', line: 4 },
    { name: 'add', file: 'b.js', line: 3 },
  ])
})

test('functions without a name are called by their place', () => {
  const { samples } = built((builder) => {
    builder.add([builder.location('', '/app/internal/line/encode.js', 3)], [1, 1])
    builder.add([builder.location('', '', 0)], [1, 1])
  })
  expect(samples.map(({ stack }) => stack[0]!.name)).toEqual(['(anonymous encode.js:3)', '(anonymous)'])
})

test('figures beyond 32 bits, and names in any script, arrive', () => {
  const { samples } = built((builder) => builder.add([builder.location('größe', '/app/a.js', 1)], [2 ** 31, 2 ** 50]))
  expect(samples).toEqual([{ stack: [{ name: 'größe', file: 'a.js', line: 1 }], values: [2 ** 31, 2 ** 50] }])
})
