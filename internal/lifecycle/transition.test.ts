import { expect, test } from 'vitest'
import { assertTransition, type Transitions } from './transition.ts'

const DOOR: Transitions<'open' | 'shut' | 'walled up'> = {
  open: ['shut'],
  shut: ['open', 'walled up'],
  'walled up': [],
}

test('a change that the table lists is allowed', () => {
  for (const to of ['open', 'walled up'] as const) assertTransition('a door', DOOR, 'shut', to)
})

test('any other change throws, and says what would have changed to what', () => {
  expect(() => assertTransition('a door', DOOR, 'open', 'walled up')).toThrow(
    'a door that is open cannot become walled up',
  )
  expect(() => assertTransition('a door', DOOR, 'open', 'open')).toThrow('that is open cannot become open')
  expect(() => assertTransition('a door', DOOR, 'walled up', 'open')).toThrow('that is walled up cannot become open')
})
