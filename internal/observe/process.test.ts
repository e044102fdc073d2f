import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { childTicks, ProcessMeter, processCpuUs } from './process.ts'

const STAT = '4242 (node (a) b) S 1 4242 4242 0 -1 4194304 9000 500 0 0 120 30 7 5 20 0 11 0 100 1000000 20000'

const NO_CHILDREN = STAT.replace(' 7 5 ', ' 0 0 ')

test('the time of children stands behind a name that may hold anything', () => {
  expect(childTicks(STAT)).toBe(12)
})

test('the time of children counts as the process’s own', () => {
  const without = processCpuUs(() => NO_CHILDREN)
  expect(processCpuUs(() => STAT)).toBeGreaterThanOrEqual(without + 120_000)
})

test('where the system does not tell of children, the process is measured alone', () => {
  const us = processCpuUs(() => {
    throw new Error('ENOENT')
  })
  expect(us).toBeGreaterThan(0)
})

test('a child that has worked is seen', () => {
  const before = processCpuUs(() => NO_CHILDREN)
  spawnSync(process.execPath, ['-e', 'while (process.cpuUsage().user < 200_000);'])
  expect(processCpuUs()).toBeGreaterThan(before + 150_000)
})

test('figures are of the time between two looks', () => {
  const meter = new ProcessMeter()
  const end = performance.now() + 50
  while (performance.now() < end);
  const figures = meter.read()
  expect(figures.cpuPercent).toBeGreaterThan(0)
  expect(figures.rssBytes).toBeGreaterThan(figures.heapUsedBytes)
  expect(figures.eventLoopBusy).toBeGreaterThanOrEqual(0)
  expect(figures.eventLoopBusy).toBeLessThanOrEqual(1)
})
