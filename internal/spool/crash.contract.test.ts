import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CrashProgram, makeCrashProgram } from '../../test/support/crash-program.ts'
import { appendUntilKilled, payloadOf } from './crash-child.contract.ts'
import { openSegmentLog } from './segment-log.ts'

let folder: string
let program: string
let made: CrashProgram

beforeAll(async () => {
  made = await makeCrashProgram(new URL('./crash-child.contract.ts', import.meta.url), appendUntilKilled.name)
  folder = made.folder
  program = made.path
})
afterAll(() => made.remove())

/** Lets a process append until it has reported `rounds` times and `afterMs` have passed, then kills it. */
async function killedWriter(
  life: number,
  rounds: number,
  afterMs: number,
): Promise<{ confirmed: number; committed: string }> {
  const child = spawn(process.execPath, [program, folder, `${life}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (output.split('\n').length > rounds) setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  expect(await exit).toEqual([null, 'SIGKILL'])
  const [, confirmed, committed] = /^(\d+) (.*)$/.exec(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1)!)!
  return { confirmed: Number(confirmed), committed: JSON.parse(committed!) as string }
}

interface Name {
  readonly life: number
  readonly index: number
}

function nameOf(payload: Buffer | string): Name {
  const [life = -1, index = -1] = payload.toString('latin1').split(' ', 2).map(Number)
  return { life, index }
}

it('has after kill -9 what was confirmed and not committed, whole, in order, and once', async () => {
  const confirmed: number[] = []
  for (const [life, [rounds, afterMs]] of (
    [
      [1, 0],
      [30, 3],
      [200, 11],
      [8, 1],
      [700, 5],
    ] as const
  ).entries()) {
    const said = await killedWriter(life, rounds, afterMs)
    confirmed.push(said.confirmed)
    const log = await openSegmentLog({ folder, maxBytes: 1 << 30, logger: pino({ enabled: false }) })
    const held = log.records
    const found: Name[] = []
    for (let record = await log.next(); record !== undefined; record = await log.next()) {
      const name = nameOf(record.payload)
      expect(
        record.payload.equals(payloadOf(name.life, name.index)),
        `record ${name.life} ${name.index} is whole`,
      ).toBe(true)
      expect(record.samples).toBe(3)
      found.push(name)
    }
    // Records that the last write left incomplete were never confirmed.
    expect(log.damaged.records).toBeLessThanOrEqual(1)
    expect(found.length).toBe(held - log.damaged.records)
    await log.close()

    const order = found.map(({ life, index }) => life * 1e9 + index)
    expect(order).toEqual([...new Set(order)].sort((a, b) => a - b))
    const seen = new Set(order)
    const done = said.committed === '' ? { life: 0, index: -1 } : nameOf(said.committed)
    for (const [earlier, count] of confirmed.entries()) {
      for (let index = 0; index < count; index++) {
        const isCommitted = earlier < done.life || (earlier === done.life && index <= done.index)
        if (!isCommitted && !seen.has(earlier * 1e9 + index)) expect.fail(`record ${index} of life ${earlier} is lost`)
      }
    }
  }
})
