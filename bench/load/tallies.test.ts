import { expect, test } from 'vitest'
import { Tallies } from './tallies.ts'

test('all threads see the counts of each', () => {
  const main = new Tallies(2)
  const threads = [new Tallies(2, main.buffer), new Tallies(2, main.buffer)]
  threads[0]!.report(0, 100, 3)
  threads[1]!.report(1, 50, 0)
  expect([main.sent, main.unreceived]).toEqual([150, 3])
  main.done = 30
  expect(threads.map(({ ahead }) => ahead)).toEqual([120, 120])
  main.stop()
  expect(threads.map(({ stopped }) => stopped)).toEqual([true, true])
  main.clear()
  expect([threads[0]!.sent, threads[0]!.ahead, threads[0]!.stopped]).toEqual([0, 0, false])
})

test('counts go on beyond 2^31 messages', () => {
  const tallies = new Tallies(1)
  tallies.report(0, 2 ** 31 + 5, 0)
  tallies.done = 2 ** 31 - 10
  expect([tallies.sent, tallies.ahead]).toEqual([2 ** 31 + 5, 15])
})
