import { expect, it } from 'vitest'
import { pathOf, TRACE_LENGTH, Trace } from './trace.ts'

it.each<[string, readonly (number | null)[], string]>([
  ['nothing yet', [], ''],
  ['one value', [5], 'M119 1h0'],
  ['zeros lie at the bottom', [0, 0, 0], 'M117 9L118 9L119 9'],
  ['it rises to the top', [0, 5, 10], 'M117 9L118 5L119 1'],
  ['a gap where it was not known', [10, 10, null, 10, null, 0, 10], 'M113 1L114 1M116 1h0M118 9L119 1'],
])('%s', (_what, values, path) => {
  expect(pathOf(values, TRACE_LENGTH - 1, 10)).toBe(path)
})

it('keeps two minutes', () => {
  const trace = new Trace()
  for (let i = 0; i <= TRACE_LENGTH; i++) trace.push(i === 0 ? 1e9 : i)
  const path = trace.path(TRACE_LENGTH - 1, 10)
  expect(path.split('L')).toHaveLength(TRACE_LENGTH)
  expect(path).toMatch(/^M0 .*L119 1$/)
})
