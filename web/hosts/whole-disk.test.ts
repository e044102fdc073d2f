import { describe, expect, it } from 'vitest'
import { isWholeDisk } from './whole-disk.ts'

describe('isWholeDisk', () => {
  it.each([
    ['sda', true],
    ['sda1', false],
    ['nvme0n1', true],
    ['nvme0n1p2', false],
    ['mmcblk0p1', false],
    ['dm-0', false],
    ['loop3', false],
    ['md127', false],
    ['vdb', true],
  ])('%s beside its disk: %s', (name, whole) => {
    expect(isWholeDisk(name, new Set(['sda', 'nvme0n1', 'mmcblk0']))).toBe(whole)
  })

  it('counts a partition without its disk, as on some virtual machines', () => {
    expect(isWholeDisk('xvda1', new Set(['xvda1']))).toBe(true)
  })
})
