import fc from 'fast-check'
import { expect, test } from 'vitest'
import { didYouMean, editDistance, flagOf, variableOf } from './names.ts'

test('one name has three spellings', () => {
  expect(flagOf('agent.intervalMs')).toBe('--agent-interval-ms')
  expect(variableOf('agent.intervalMs')).toBe('SENTINEL_AGENT_INTERVAL_MS')
})

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['kitten', 'sitting', 3],
  ['intervalMs', 'intrevalMs', 1],
  ['url', 'rul', 1],
] as const)('from %j to %j it is %d edits', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance)
  expect(editDistance(b, a)).toBe(distance)
})

test('any one edit is one edit away', () => {
  const word = fc.string({ minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(word, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (text, at, letter) => {
      const i = at % text.length
      expect(editDistance(text, text.slice(0, i) + letter + text.slice(i))).toBe(1)
      expect(editDistance(text, text.slice(0, i) + text.slice(i + 1))).toBe(1)
    }),
  )
})

test.each([
  ['agent.intervalMS', ', did you mean agent.intervalMs?'],
  ['agent.intervallMs', ', did you mean agent.intervalMs?'],
  ['agent.interval', ', did you mean agent.intervalMs?'],
  ['x', ''],
  ['kubernetes.namespace', ''],
])('%s%s', (word, expected) => {
  expect(didYouMean(word, ['agent.host', 'agent.intervalMs', 'redis.url'])).toBe(expected)
})
