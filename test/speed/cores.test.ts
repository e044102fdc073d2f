import { expect, test } from 'vitest'
import { Cores } from './cores.ts'

test('says how much of the machine each program uses, the busiest first', () => {
  const cores = new Cores()
  const endMs = performance.now() + 300
  let sum = 0
  while (performance.now() < endMs) sum += Math.sqrt(sum)
  const [, busy, used, there] = /^cores busy: (.*); (\d+\.\d\d) of the (\d+) that there are$/.exec(cores.text())!
  expect(busy).toMatch(/load generator 0\.[1-9]\d|load generator 1\.\d\d/)
  const each = busy!.split(', ').map((one) => Number(/\d+\.\d\d$/.exec(one)![0]))
  expect(each).toEqual(each.toSorted((a, b) => b - a))
  expect(Number(used)).toBeLessThanOrEqual(Number(there) + 0.1)
})
