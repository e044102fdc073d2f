import { expect, test } from 'vitest'
import { errorText } from './error-text.ts'

test.each([
  ['an error', new Error('no room'), 'no room'],
  ['an error without a message', new RangeError(), 'RangeError'],
  ['a string', 'no room', 'no room'],
  ['nothing', undefined, 'undefined'],
])('%s', (_name, error, text) => {
  expect(errorText(error)).toBe(text)
})
