import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { REJECT_REASONS } from '../sample/border.ts'
import { SeriesTable } from '../sample/series.ts'
import { type Decoded, decode } from './codec.contract.ts'
import { MessageDecoder } from './detect.ts'

const page = readFileSync(new URL('../../docs/wire-format.md', import.meta.url), 'utf8')

function decodeFresh(payload: Buffer): Decoded {
  return decode(new MessageDecoder(new SeriesTable()), payload)
}

describe('docs/wire-format.md', () => {
  it('names every reason to reject, and no other', () => {
    const rows = page.slice(page.indexOf('## What is rejected')).match(/^\| `.*?` \|/gm) ?? []
    const named = rows.flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, reason]) => reason))
    expect(named.toSorted()).toEqual(REJECT_REASONS.toSorted())
  })

  it('shows a JSON message that is one', () => {
    const [, text = ''] = /```json\n(.*)\n```/.exec(page) ?? []
    expect(decodeFresh(Buffer.from(text)).seen).toMatchObject([
      { series: 'system_stats\0host\u0001web-01', fields: { cpu: 12.5, mem: 63.1 }, at: 1_763_900_000_123_456 },
    ])
  })

  it('shows a Packed message that is one', () => {
    const [, escapes = ''] = /printf '((?:\\[0-7]+)+)'/.exec(page) ?? []
    const bytes = [...escapes.matchAll(/\\([0-7]+)/g)].map(([, octal]) => Number.parseInt(octal!, 8))
    expect(decodeFresh(Buffer.from(bytes)).seen).toMatchObject([
      { series: 'system_stats', fields: { cpu: 12.5, mem: 63.1 } },
    ])
  })

  it('shows a frame that is one', () => {
    const [, table = ''] = /```\n(535346f5[^`]*)```/.exec(page) ?? []
    const hex = table.split('\n').map((line) => line.replace(/#.*/, '').replaceAll(' ', ''))
    expect(decodeFresh(Buffer.from(hex.join(''), 'hex'))).toMatchObject({
      refusal: undefined,
      seen: [{ fields: { idle: 12.5 } }, { fields: { idle: 1, us: 'é' }, tie: 7 }],
      header: { run: 'web-01', seq: 3, sampleCount: 2 },
    })
  })
})
