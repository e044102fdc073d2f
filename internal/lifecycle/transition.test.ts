import { expect, test } from 'vitest'
import { assertTransition, type Transitions } from './transition.ts'

const DOOR: Transitions<'open' | 'shut' | 'walled up'> = {
  open: ['shut'],
  shut: ['open', 'walled up'],
  'walled up': [],
}

test('a change that the table lists is allowed', () => {
  for (const to of ['open', 'walled up'] as const) assertTransition('the door', DOOR, 'shut', to)
})

test('any other change throws, and says what would have changed to what', () => {
  expect(() => assertTransition('the door', DOOR, 'open', 'walled up')).toThrow(
    'the door cannot change from open to walled up',
  )
  expect(() => assertTransition('the door', DOOR, 'open', 'open')).toThrow('from open to open')
  expect(() => assertTransition('the door', DOOR, 'walled up', 'open')).toThrow('from walled up to open')
})
