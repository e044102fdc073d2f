import { expect, test } from 'vitest'
import { ChunkPool } from './chunk-pool.ts'

function takeAll(pool: ChunkPool): Buffer[] {
  const taken: Buffer[] = []
  for (let chunk = pool.take(); chunk !== undefined; chunk = pool.take()) taken.push(chunk)
  return taken
}

test('gives out 8 MiB in chunks, then the returned chunks', () => {
  const pool = new ChunkPool(75)
  const taken = takeAll(pool)
  expect(taken.map(({ length }) => length)).toEqual(Array(128).fill(65_536))
  pool.give(taken[5]!)
  expect(pool.take()).toBe(taken[5])
  expect(pool.take()).toBeUndefined()
})

test('has four chunks for messages of any size', () => {
  expect(takeAll(new ChunkPool(7_000_000)).map(({ length }) => length)).toEqual(Array(4).fill(7_000_000))
})
