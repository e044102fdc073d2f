import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { highestRate } from './rate-search.ts'

/** A program that carries so much in a short try, and so much for long. */
function search(carries: number, { forLong = carries, from = 200_000, most = 1_000_000 } = {}) {
  const tries: Array<[rate: number, length: string]> = []
  const found = highestRate({
    from,
    most,
    problemAt: async (rate, length) => {
      tries.push([rate, length])
      return rate <= (length === 'short' ? carries : forLong) ? '' : `${length}: too much`
    },
  })
  return { found, tries }
}

describe('highestRate', () => {
  it('comes within 8 % of what a program carries, wherever it began, and has seen it hold for long', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 20_000, max: 900_000 }), async (carries) => {
        const { found, tries } = search(carries)
        const { rate, limit } = await found
        expect(rate).toBeLessThanOrEqual(carries)
        expect(rate).toBeGreaterThan(carries * 0.919)
        expect(tries).toContainEqual([rate, 'whole'])
        expect(limit).toMatch(/^(short|whole): too much$/)
      }),
    )
  })

  it('steps down to what holds for long', async () => {
    const { rate, limit } = await search(250_000, { forLong: 230_000 }).found
    expect(rate).toBeLessThanOrEqual(230_000)
    expect(rate).toBeGreaterThan(230_000 * 0.919)
    expect(limit).toBe('whole: too much')
  })

  it('takes few tries of the whole length, which cost most of the time', async () => {
    for (const [carries, forLong] of [
      [250_000, 230_000],
      [600_000, 400_000],
      [90_000, 60_000],
    ] as const) {
      const { found, tries } = search(carries, { forLong })
      await found
      expect(tries.filter(([, length]) => length === 'whole').length).toBeLessThanOrEqual(5)
    }
  })

  it('ends at the most', async () => {
    expect(await search(2_000_000, { most: 300_000 }).found).toEqual({ rate: 300_000, limit: '' })
    expect(await search(2_000_000, { most: 100_000 }).found).toEqual({ rate: 100_000, limit: '' })
  })

  it('says why nothing holds', async () => {
    expect(await search(0).found).toEqual({ rate: 0, limit: 'short: too much' })
    expect(await search(250_000, { forLong: 0 }).found).toEqual({ rate: 0, limit: 'whole: too much' })
  })

  it('tries a rate that failed once more', async () => {
    let tries = 0
    const problemAt = async (): Promise<string> => (tries++ === 0 ? 'a hiccup' : '')
    expect(await highestRate({ from: 100, most: 100, problemAt })).toEqual({ rate: 100, limit: '' })
    expect(tries).toBe(3)
  })
})
