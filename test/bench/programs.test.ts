import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { benchFiles, buildPrograms } from './programs.ts'

// In the project, so that what is built finds its packages.
mkdirSync('.tmp', { recursive: true })
const folder = mkdtempSync('.tmp/bench-')
afterAll(() => rmSync(folder, { recursive: true }))

/** Two that count, of which one does not do what it says, and one that stands there for comparison. */
const BENCHES = `
import { bench, describe } from 'vitest'
import { counted } from '../../test/support/counted.ts'
const text = Array.from({ length: 1000 }, (_, n) => 'host-' + n)
describe('text', () => {
  bench('upper case', counted(1000, 'word', () => text.filter((word) => word.toUpperCase() !== word).length))
  bench('wrong', counted(1000, 'word', () => 999))
  bench('lower case', () => text.join().toLowerCase())
})
`

describe('programs', () => {
  it('are made of the files whose benchmarks count their work', () => {
    expect(benchFiles()).toContain('internal/codec/codec.bench.ts')
    expect(benchFiles()).not.toContain('internal/source/host/source.bench.ts')
  })

  it('measure what counts its work, and fail when the work was not done', async () => {
    const file = `${folder}/text.bench.ts`
    writeFileSync(file, BENCHES)
    const programs = await buildPrograms([file], `${folder}/out`)
    expect(programs).toMatchObject([
      { name: 'text > upper case', unit: 'word' },
      { name: 'text > wrong', unit: 'word' },
    ])
    const { ratio, ns } = await programs[0]!.measure()
    expect(ratio).toBeGreaterThan(0)
    expect(ns).toBeGreaterThan(ratio)
    await expect(programs[1]!.measure()).rejects.toThrow('999 operations were done, not 1000')
  }, 60_000)
})
