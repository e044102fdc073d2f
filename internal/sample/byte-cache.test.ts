import { describe, expect, it } from 'vitest'
import { ByteCache } from './byte-cache.ts'

describe('ByteCache', () => {
  it('finds a value by bytes, wherever they stand, and by nothing less or more', () => {
    const cache = new ByteCache<number>()
    cache.set(Buffer.from('..host..'), 2, 6, 1)
    cache.set(Buffer.from(''), 0, 0, 2)
    const text = Buffer.from('a host')
    expect(cache.get(text, 2, 6)).toBe(1)
    expect([cache.get(text, 2, 5), cache.get(text, 1, 6), cache.get(text, 3, 3)]).toEqual([undefined, undefined, 2])
  })

  it('keeps bytes of its own', () => {
    const cache = new ByteCache<number>()
    const bytes = Buffer.from('host')
    cache.set(bytes, 0, 4, 1)
    bytes.fill(0)
    expect([cache.get(Buffer.from('host'), 0, 4), cache.get(bytes, 0, 4)]).toEqual([1, undefined])
  })

  it('starts anew when it is full', () => {
    const cache = new ByteCache<number>(1000)
    const names = Array.from({ length: 20 }, (_, n) => Buffer.from(`host-${n}`))
    for (const [n, name] of names.entries()) cache.set(name, 0, name.length, n)
    const kept = names.filter((name) => cache.get(name, 0, name.length) !== undefined)
    expect(kept.length).toBeGreaterThan(0)
    expect(kept.length).toBeLessThan(8)
    expect(kept.at(-1)).toBe(names.at(-1))
  })
})
