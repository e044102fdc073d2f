import { afterEach, expect, test } from 'vitest'
import { checkTransition, onIllegalTransition, type Transitions } from './transition.ts'

const DOOR: Transitions<'open' | 'shut' | 'walled up'> = {
  open: ['shut'],
  shut: ['open', 'walled up'],
  'walled up': [],
}

afterEach(() => onIllegalTransition(undefined))

test('a change that the table lists is allowed', () => {
  for (const to of ['open', 'walled up'] as const) expect(checkTransition('a door', DOOR, 'shut', to)).toBe(true)
})

test('any other change throws, and says what would have changed to what', () => {
  expect(() => checkTransition('a door', DOOR, 'open', 'walled up')).toThrow(
    'a door that is open cannot become walled up',
  )
  expect(() => checkTransition('a door', DOOR, 'open', 'open')).toThrow('that is open cannot become open')
  expect(() => checkTransition('a door', DOOR, 'walled up', 'open')).toThrow('that is walled up cannot become open')
})

test('a process with a handler is told of it and goes on', () => {
  const bugs: string[] = []
  onIllegalTransition(({ message }) => bugs.push(message))
  expect(checkTransition('a door', DOOR, 'walled up', 'open')).toBe(false)
  expect(bugs).toEqual(['a door that is walled up cannot become open'])
})
