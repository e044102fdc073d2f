import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { Cores, cpuText } from './cores.ts'

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
