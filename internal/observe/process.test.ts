import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { childTicks, ProcessMeter, processCpuUs } from './process.ts'

const STAT = '4242 (node (a) b) S 1 4242 4242 0 -1 4194304 9000 500 0 0 120 30 7 5 20 0 11 0 100 1000000 20000'

const NO_CHILDREN = STAT.replace(' 7 5 ', ' 0 0 ')

test('reads the CPU time of children, though the program name contains spaces and brackets', () => {
  expect(childTicks(STAT)).toBe(12)
})

test('adds the CPU time of ended children', () => {
  const without = processCpuUs(() => NO_CHILDREN)
  expect(processCpuUs(() => STAT)).toBeGreaterThanOrEqual(without + 120_000)
})

test('leaves out the children where the system has no /proc/self/stat', () => {
  const us = processCpuUs(() => {
    throw new Error('ENOENT')
  })
  expect(us).toBeGreaterThan(0)
})

test('sees the CPU time of a real child', () => {
  const before = processCpuUs(() => NO_CHILDREN)
  spawnSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 200_000);'])
  expect(processCpuUs()).toBeGreaterThan(before + 150_000)
})

test('CPU usage is that of the time between two readings', () => {
  const meter = new ProcessMeter()
  const end = performance.now() + 50
  while (performance.now() < end);
  const { cpuPercent, rssBytes } = meter.read()
  expect(cpuPercent).toBeGreaterThan(0)
  expect(rssBytes).toBeGreaterThan(process.memoryUsage().heapUsed)
})
