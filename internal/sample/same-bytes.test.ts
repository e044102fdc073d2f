import { expect, it } from 'vitest'
import { sameBytes, viewOf } from './same-bytes.ts'

it('compares every byte, at any place and of any length', () => {
  const all = Buffer.from('__the quick brown fox_')
  const part = Buffer.from('the quick brown fox').subarray(0)
  for (let length = 0; length <= part.length; length++) {
    expect(sameBytes(viewOf(part), 0, viewOf(all), 2, length), `${length}`).toBe(true)
    for (let i = 0; i < length; i++) {
      const other = Buffer.from(part)
      other[i]! ^= 0x80
      expect(sameBytes(viewOf(other), 0, viewOf(all), 2, length), `${length}, byte ${i}`).toBe(false)
    }
  }
})
