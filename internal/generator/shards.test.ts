import { describe, expect, it } from 'vitest'
import type { Body } from './body.ts'
import { rowsOf } from './shards.ts'
import { SnapshotWriter } from './snapshot.ts'
import { UfmProfile } from './ufm.ts'

const profile = new UfmProfile({ switches: 60, portsPerSwitch: 40, intervalMs: 10_000, seed: 3 })
const writer = new SnapshotWriter(profile)
const columns = profile.header.trimEnd().split(',')
const textOf = ({ pieces }: Body): string => Buffer.concat(pieces).toString('latin1')
const linesOf = (body: Body): string[] => textOf(body).trimEnd().split('\n').slice(1)

describe.each(profile.names)('shards by %s', (name) => {
  const column = columns.indexOf(name)

  it.each([1, 2, 3, 7, 100])('of %i have each row once, in order, below the header', async (count) => {
    const { body } = await writer.write(1.7e15)
    const shards = await Promise.all(
      Array.from({ length: count }, (_, index) => rowsOf({ index, count, column }, body)),
    )
    for (const shard of shards) {
      expect(textOf(shard).startsWith(profile.header)).toBe(true)
      expect(shard.bytes).toBe(textOf(shard).length)
    }
    const parts = shards.map(linesOf)
    expect(parts.flat().sort()).toEqual(linesOf(body).toSorted())
    const places = new Map(linesOf(body).map((line, at) => [line, at]))
    for (const part of parts)
      expect(part.map((line) => places.get(line)!)).toEqual(
        part.map((line) => places.get(line)!).toSorted((a, b) => a - b),
      )
    // What the column says decides, and nothing else.
    const cells = parts.map((part) => new Set(part.map((line) => line.split(',')[column])))
    expect(cells.reduce((sum, { size }) => sum + size, 0)).toBe(new Set(cells.flatMap((cell) => [...cell])).size)
  })

  it('stay the same from snapshot to snapshot', async () => {
    const who = async (): Promise<string[]> => {
      const { body } = await writer.write(1.7e15)
      const lines = linesOf(await rowsOf({ index: 1, count: 3, column }, body))
      return lines.map((line) => line.split(',').slice(3, 6).join())
    }
    expect(await who()).toEqual(await who())
  })
})

it('divide switches about evenly', async () => {
  const { body } = await writer.write(1.7e15)
  const column = columns.indexOf('port_guid')
  const sizes = await Promise.all(
    [0, 1, 2].map(async (index) => linesOf(await rowsOf({ index, count: 3, column }, body)).length),
  )
  expect(Math.min(...sizes)).toBeGreaterThan(profile.rows / 6)
})
