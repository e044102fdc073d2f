import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../test/support/servers.ts'
import { MemoryBroker } from '../../internal/broker/memory/broker.ts'
import { loadSettings } from '../../internal/config/load.ts'
import type { DeadLetter } from '../../internal/dead-letters/dead-letters.ts'
import type { Context } from '../program/context.ts'
import { quietContext } from '../program/quiet-context.ts'
import { ROLES } from '../program/roles.ts'
import { openFabricSources } from './fabric.ts'

let folder: string
let context: Context
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-fabric-'))
})
afterEach(async () => {
  await context.releaser.release(5000)
  await rm(folder, { recursive: true })
})

it('keeps the rows that it refuses of a table, each once, and none of a table that is not taken', async () => {
  const path = join(folder, 'switches.csv')
  const write = async (...rows: string[]): Promise<void> => {
    await writeFile(`${path}.next`, ['switch_id,latency_ms', ...rows, ''].join('\n'))
    await rename(`${path}.next`, path)
  }
  await write('sw1,1', 'sw2', 'sw1,3', ',4', 'sw3,5', 'sw4,6')
  const flags = { 'data.path': folder, 'fabric.intervalMs': '100ms', 'fabric.named': `east=${path}` }
  context = quietContext(loadSettings(ROLES.up, flags, {}))
  const kept: Array<Omit<DeadLetter, 'at'>> = []
  const letters = async () => ({ keep: (letter: Omit<DeadLetter, 'at'>) => void kept.push(letter), written: async () => {} }) // biome-ignore format: one line
  await openFabricSources(context, new MemoryBroker({ logger: pino({ level: 'silent' }) }), letters, {})
  const target = () => context.targets[0]![1]
  await until('it is taken', () => target().rows === 3)
  const letter = (reason: string, row: number, payload: string) => ({ kind: 'text', reason, detail: `row ${row}`, source: `fabric east: ${path}`, payload }) // biome-ignore format: one line
  const first = [letter('cells', 2, 'sw2'), letter('twice', 3, 'sw1,3'), letter('nobody', 4, ',4')]
  expect(kept).toEqual(first)
  await write('sw1,2', 'sw2', 'sw3,5', 'sw4,6', ',7')
  await until('the next one is taken', () => target().rows === 6)
  expect(kept).toEqual([...first, letter('nobody', 5, ',7')])
  await write('sw1,2', ',8', 'sw2', 'sw3,5,6')
  await until('the last one is not taken', () => !target().target.up)
  expect(kept).toHaveLength(4)
})
