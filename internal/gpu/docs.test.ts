import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { GPU_METRICS, type MetricName } from './metrics.ts'

function cell(names: readonly MetricName[]): string {
  return names
    .map(({ name, unit, decides }) =>
      `\`${name}\` ${unit === '1' ? '' : unit}${decides === 'help' ? ' (help)' : ''}`.trim(),
    )
    .join(', ')
}

describe('docs/gpu.md', () => {
  it('lists each field with the names of each generation', () => {
    const page = readFileSync(new URL('../../docs/gpu.md', import.meta.url), 'utf8')
    const section = page.split(/^## /m).find((part) => part.startsWith('Fields'))!
    const rows = section.split('\n').filter((line) => line.startsWith('| `'))
    const expected = GPU_METRICS.map(({ field, to48, from49, of1x, smi }) =>
      ['', `\`${field}\``, ...[to48, from49, of1x, smi].map(cell), '']
        .map((text, i) => (i === 0 || i === 6 ? text : text === '' ? ' ' : ` ${text} `))
        .join('|'),
    )
    expect(rows).toEqual(expected)
  })
})
