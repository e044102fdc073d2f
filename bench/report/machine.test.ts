import { hostname, userInfo } from 'node:os'
import { expect, it } from 'vitest'
import { machineOf } from './machine.ts'

it("says what figures depend on, and nobody's name", () => {
  const machine = machineOf()
  expect(machine.cpu).not.toBe('')
  expect(machine.cores).toBeGreaterThanOrEqual(1)
  expect(machine.memoryBytes).toBeGreaterThan(2 ** 20)
  expect(Number.isFinite(machine.memoryBytes)).toBe(true)
  expect(machine.loadAverage).toBeGreaterThanOrEqual(0)
  const values = Object.values(machine).map(String)
  expect(values).not.toContain(hostname())
  expect(values).not.toContain(userInfo().username)
})
