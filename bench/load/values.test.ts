import { describe, expect, test } from 'vitest'
import { Values } from './values.ts'

const COUNT = 65_536

describe.each([
  ['walk', 5],
  ['full', 17],
] as const)('the values of kind %s', (kind, textBytes) => {
  const values = new Values(kind)

  test('are percentages whose text says the same', () => {
    expect(values.textBytes).toBe(textBytes)
    const out = Buffer.alloc(textBytes)
    for (let i = 0; i < COUNT; i++) {
      values.writeText(i, out, 0)
      const number = values.number(i)
      if (Number(out.toString()) !== number || number < 10 || number >= 100)
        expect([i, out.toString()]).toEqual([i, number])
    }
  })

  test('begin again after the last', () => {
    expect(values.number(COUNT + 7)).toBe(values.number(7))
  })
})

test('a walk has small steps and two decimals for any random numbers', () => {
  for (const random of [Math.random, () => 0, () => 0.999_999]) {
    const walk = new Values('walk', random)
    for (let i = 1; i < COUNT; i++) {
      const step = Math.abs(walk.number(i) - walk.number(i - 1))
      if (step > 0.511 || !/^\d\d(\.\d\d?)?$/.test(String(walk.number(i))))
        expect([i, step]).toEqual([i, 'a small one'])
    }
  }
})

test('full values have more digits than a walk', () => {
  expect(String(new Values('full', () => 1 / 3).number(0)).length).toBeGreaterThan(15)
})
