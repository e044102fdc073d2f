import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { surroundings } from '../../../test/support/surroundings.ts'
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
  const here = surroundings({ roots: { proc, sys: '/sys', mount: '/' } })
  const measurement = new Processes(here)
  let atUs = 0
  const collect = () => {
    let fields: Record<string, unknown> = {}
    atUs += 1e6
    measurement.collect(atUs, ({ series, values }) => {
      fields = Object.fromEntries(series.fieldNames.map((name, i) => [name, values[i]]))
    })
    return fields
  }
  return { ...here, measurement, collect }
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

/** This process as /proc shows it: the options of /proc, and whether it has CAP_SYS_PTRACE. */
function self(options: string, capEff = '0000000000000000'): void {
  mkdirSync(join(proc, 'self'), { recursive: true })
  writeFileSync(join(proc, 'self/mountinfo'), `22 27 0:21 / ${proc} rw,relatime - proc proc rw${options}\n`)
  writeFileSync(join(proc, 'self/status'), `Name:\tnode\nCapEff:\t${capEff}\n`)
}

test.each([
  ['hidepid=2', ',gid=4294967294,hidepid=2', [90, 91]],
  ['hidepid=invisible', ',gid=4294967294,hidepid=invisible', [90, 91]],
  ['hidepid=ptraceable, which no group opens', ',hidepid=ptraceable', [90, 91]],
  ['a container without the option, whose process 1 is hidden', '', [90, 91]],
  ['own processes of the user of process 1', ',gid=4294967294,hidepid=2', [1, 90]],
])('%s: the processes of others are hidden, so none are counted, and that is said once', (_, options, pids) => {
  self(options)
  for (const pid of pids) put(pid, 'S')
  const { collect, told, leftOut, unavailable } = processes()
  for (let tick = 1; tick <= 12; tick++) expect(collect()).toEqual({})
  expect(told).toMatchObject([{ part: 'processes', message: expect.stringContaining('hidepid') }])
  expect(leftOut.counts.get('hidden')).toBe(12)
  expect(unavailable.get('processes')).toContain('CAP_SYS_PTRACE')
  // The mount is opened again.
  self('')
  put(1, 'S')
  for (let tick = 1; tick <= 10; tick++) collect()
  expect(collect().total).toBe(new Set([1, ...pids]).size)
  expect(unavailable.size).toBe(0)
})

test('hidepid=1 shows that processes are there, and not what they do: only their number is sent', () => {
  self(',gid=4294967294,hidepid=1')
  put(90, 'S')
  mkdirSync(join(proc, '1'))
  const { collect } = processes()
  const sent = Object.entries(collect()).filter(([, value]) => value !== undefined)
  expect(sent).toEqual([['total', 2]])
})

test.each([
  ['CAP_SYS_PTRACE', ',gid=4294967294,hidepid=2', '0000000000080000'],
  ['the group of the mount', `,gid=${process.getegid!()},hidepid=2`, '0'],
  ['hidepid=0', ',hidepid=0', '0'],
])('with %s all processes are seen', (_, options, capEff) => {
  self(options, capEff)
  for (const pid of [1, 90]) put(pid, 'S')
  expect(processes().collect()).toMatchObject({ total: 2 })
})
