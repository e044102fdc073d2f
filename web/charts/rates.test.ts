import { describe, expect, it } from 'vitest'
import { CounterRates, MomentSum } from './rates.ts'

describe('CounterRates', () => {
  it('gives the rate a second since the last reading of the same counter', () => {
    const rates = new CounterRates()
    expect(rates.next('eth0', 1000, 500)).toBeUndefined()
    expect(rates.next('eth1', 1000, 9)).toBeUndefined()
    expect(rates.next('eth0', 3000, 2500)).toBe(1000)
    expect(rates.next('eth0', 3500, 2500)).toBe(0)
  })

  it('knows no rate when the counter went backwards, and continues from there', () => {
    const rates = new CounterRates()
    rates.next('eth0', 1000, 500)
    expect(rates.next('eth0', 2000, 100)).toBeNull()
    expect(rates.next('eth0', 3000, 300)).toBe(200)
  })

  it('gives nothing for a reading that came twice or too late', () => {
    const rates = new CounterRates()
    rates.next('eth0', 2000, 500)
    expect(rates.next('eth0', 2000, 500)).toBeUndefined()
    expect(rates.next('eth0', 1000, 100)).toBeUndefined()
    expect(rates.next('eth0', 3000, 600)).toBe(100)
  })
})

describe('MomentSum', () => {
  it('adds up the parts of one moment in any order', () => {
    const sum = new MomentSum()
    expect(sum.add('eth0', 1000, 5)).toBe(5)
    expect(sum.add('eth1', 1000, 7)).toBe(12)
    expect(sum.add('eth0', 2000, 1)).toBe(1)
    expect(sum.add('eth1', 1000, 100)).toBeUndefined()
  })

  it('is unknown when a part is unknown', () => {
    const sum = new MomentSum()
    sum.add('eth0', 1000, 5)
    expect(sum.add('eth1', 1000, null)).toBeNull()
  })

  it('leaves out a part that does not count beside another part', () => {
    const sum = new MomentSum((name, others) => name !== 'sda1' || !others.has('sda'))
    expect(sum.add('sda1', 1000, 5)).toBe(5)
    expect(sum.add('sda', 1000, 6)).toBe(6)
  })
})
