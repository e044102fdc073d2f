import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { expect, test } from 'vitest'
import { Cores, coresText, cpuText } from './cores.ts'

test('says how much of the machine each program uses, but those that use next to nothing', () => {
  const cpuUs = new Map([
    ['influxd', 2_420_000],
    ['load generator', 500_000],
    ['sh', 20_000],
  ])
  const there = cpus().length
  expect(coresText(cpuUs, 3_000_000, 2)).toBe(
    `cores busy: influxd 1.21, load generator 0.25; 1.50 of the ${there} that there are`,
  )
  expect(new Cores().text()).toMatch(new RegExp(`^cores busy: .*; \\d+\\.\\d\\d of the ${there} that there are$`))
})

test('knows which CPU is its own, and that of what it started', async () => {
  const cores = new Cores()
  const child = spawn('sh', ['-c', 'i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo done; read line'])
  await once(child.stdout, 'data')
  const own = cores.own()
  child.stdin.end('\n')
  await once(child, 'exit')
  expect([...own.keys()]).toEqual(expect.arrayContaining(['load generator', 'sh']))
  expect(own.get('sh')).toBeGreaterThan(0)
  expect([...own.values()]).toEqual([...own.values()].toSorted((a, b) => b - a))
})

test('says what the programs take for a sample, but those that take next to nothing', () => {
  const cpuUs = new Map([
    ['influxd', 2_410_000],
    ['server', 710_000],
    ['sh', 2_000],
  ])
  expect(cpuText(cpuUs, 1e6)).toBe('CPU, µs a sample: influxd 2.41, server 0.71; 3.12 in all')
})
