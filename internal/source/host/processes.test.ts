import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SeriesTable } from '../../sample/series.ts'
import { ProblemThrottle } from '../source.ts'
import { Processes } from './processes.ts'

let proc = ''
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'proc-'))
})
afterEach(() => {
  rmSync(proc, { recursive: true })
})

function put(pid: number, state: string, threads = 1): void {
  mkdirSync(join(proc, String(pid)), { recursive: true })
  writeFileSync(
    join(proc, String(pid), 'stat'),
    `${pid} (sh) ${state} 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 ${threads} 0 100\n`,
  )
}

function processes() {
  const measurement = new Processes({
    host: 'h',
    table: new SeriesTable(),
    monotonicMs: () => performance.now(),
    roots: { proc, sys: '/sys', mount: '/' },
    problems: new ProblemThrottle('host', () => {}),
    unavailable: new Map(),
  })
  let atUs = 0
  const collect = () => {
    let fields: Record<string, unknown> = {}
    atUs += 1e6
    measurement.collect(atUs, ({ series, values }) => {
      fields = Object.fromEntries(series.fieldNames.map((name, i) => [name, values[i]]))
    })
    return fields
  }
  return { measurement, collect }
}

test('few processes are exact at every tick, those included that came and went', () => {
  for (let pid = 1; pid <= 30; pid++) put(pid, 'S')
  mkdirSync(join(proc, 'sys'))
  const { measurement, collect } = processes()
  measurement.prime()
  for (let pid = 1; pid <= 10; pid++) put(pid, 'R', 3)
  rmSync(join(proc, '11'), { recursive: true })
  put(31, 'D')
  expect(collect()).toMatchObject({ running: 10, sleeping: 19, blocked: 1, total: 30, total_threads: 50, unknown: 0 })
})

test('of many processes the total is exact, and each state is read again within (processes / 32) ticks', () => {
  for (let pid = 1; pid <= 320; pid++) put(pid, 'S')
  const { measurement, collect } = processes()
  measurement.prime()
  expect(collect()).toMatchObject({ sleeping: 320, total: 320 })
  for (let pid = 1; pid <= 320; pid++) put(pid, 'T')
  for (let tick = 1; tick <= 10; tick++) {
    expect(collect()).toMatchObject({ stopped: 32 * tick, sleeping: 320 - 32 * tick, total: 320, total_threads: 320 })
  }
})

test('a flood of new processes is read within bounds; what is not read yet counts as unknown', () => {
  const { measurement, collect } = processes()
  measurement.prime()
  for (let pid = 1; pid <= 200; pid++) put(pid, 'S')
  expect(collect()).toMatchObject({ sleeping: 128, unknown: 72, total: 200 })
  expect(collect()).toMatchObject({ sleeping: 200, unknown: 0, total: 200 })
})

test('a process that ends between the list and its file is not counted', () => {
  put(1, 'S')
  mkdirSync(join(proc, '2'))
  expect(processes().collect()).toMatchObject({ sleeping: 1, total: 1 })
})
