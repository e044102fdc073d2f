import { expect, test } from 'vitest'
import { type Problem, ProblemThrottle } from './source.ts'

test('the first problem of a part is said at once, then one in ten minutes with the number left out', () => {
  let nowMs = 0
  const said: Problem[] = []
  const throttle = new ProblemThrottle(
    'host',
    (problem) => said.push(problem),
    () => nowMs,
  )
  const cause = new Error('ENOENT')
  for (; nowMs < 1_200_000; nowMs += 1000) throttle.report('diskio', 'cannot be read', cause)
  throttle.report('mem', 'cannot be read')
  expect(said).toEqual([
    { source: 'host', part: 'diskio', message: 'cannot be read', cause, unsaid: 0 },
    { source: 'host', part: 'diskio', message: 'cannot be read', cause, unsaid: 599 },
    { source: 'host', part: 'mem', message: 'cannot be read', cause: undefined, unsaid: 0 },
  ])
})

test('remembers parts up to a bound, and forgets the one known longest first', () => {
  let said = 0
  const throttle = new ProblemThrottle(
    'host',
    () => said++,
    () => 0,
  )
  for (let i = 0; i < 257; i++) throttle.report(`disk /mnt/${i}`, 'cannot be read')
  throttle.report('disk /mnt/256', 'cannot be read')
  expect(said).toBe(257)
  throttle.report('disk /mnt/0', 'cannot be read')
  expect(said).toBe(258)
})
