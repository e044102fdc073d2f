import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CrashProgram, makeCrashProgram } from '../../../test/support/crash-program.ts'
import { CRASH_DAY_US, NEXT_DAY_US, PER_TABLE, writeUntilKilled } from './crash-child.contract.ts'
import { openDuckDb } from './open.ts'

let folder: string
let program: string
let made: CrashProgram

beforeAll(async () => {
  made = await makeCrashProgram(new URL('./crash-child.contract.ts', import.meta.url), writeUntilKilled.name)
  folder = made.folder
  program = made.path
})
afterAll(() => made.remove())

/**
 * Lets a process write until it has acked `acks` batches, waits `afterMs`, and kills it.
 *
 * @returns the last acked batch
 */
async function killedWriter(path: string, first: number, acks: number, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, path, `${first}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.split('\n').length > acks) setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  expect(await exit).toEqual([null, 'SIGKILL'])
  return Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1))
}

/** Number of stored samples per batch of a measurement. */
async function found(path: string, measurement: string, startUs: number): Promise<Map<number, number>> {
  const store = await openDuckDb({
    ...{ path, retentionMs: 7 * 86_400_000, clock: { now: () => NEXT_DAY_US } },
    logger: pino({ enabled: false }),
  })
  const range = { startUs, endUs: startUs + 3_600_000_000, everyUs: 1 }
  const query = { ...range, measurement, fields: ['batch'], tags: {}, aggregate: 'last' as const }
  const [series] = await store.reader.history(query, new AbortController().signal)
  await store.close()
  const counts = new Map<number, number>()
  for (const [, value] of series?.points ?? []) {
    const batch = Number(value)
    counts.set(batch, (counts.get(batch) ?? 0) + 1)
  }
  return counts
}

it('has every acked batch after kill -9, and no part of another', async () => {
  const path = join(folder, 'telemetry.duckdb')
  let next = 0
  for (const [acks, afterMs] of [
    [1, 0],
    [12, 3],
    [7, 9],
    [20, 1],
    [4, 17],
  ] as const) {
    // biome-ignore format: one pair per kill
    const acked = await killedWriter(path, next, acks, afterMs)
    const today = await found(path, 'today', CRASH_DAY_US)
    const tomorrow = await found(path, 'tomorrow', NEXT_DAY_US)
    expect([...today.values()].every((count) => count === PER_TABLE)).toBe(true)
    expect(tomorrow).toEqual(today)
    // The file may have one more batch: the kill came before its ack was printed.
    const batches = [...today.keys()].sort((a, b) => a - b)
    expect(batches).toEqual(Array.from({ length: batches.length }, (_, n) => n))
    expect(batches.length).toBeGreaterThan(acked)
    expect(batches.length).toBeLessThanOrEqual(acked + 2)
    next = batches.length
  }
})
