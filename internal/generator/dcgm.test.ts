import { describe, expect, it } from 'vitest'
import { FrameRowEncoder } from '../codec/frame-rows.ts'
import { GpuReadings } from '../gpu/readings.ts'
import { SeriesTable } from '../sample/series.ts'
import { TextReader } from '../source/scrape/text-reader.ts'
import { type DcgmGeneration, DcgmProfile } from './dcgm.ts'
import { SnapshotWriter } from './snapshot.ts'

const AT_US = 1_700_000_000_123_456
const INTERVAL_US = 30e6
const GENERATIONS = ['to48', 'from49'] as const

async function texts(generation: DcgmGeneration, gpus: number, count: number): Promise<string[]> {
  const writer = new SnapshotWriter(new DcgmProfile({ generation, gpus, seed: 7 }))
  const made: string[] = []
  for (let i = 0; i < count; i++) {
    const { body } = await writer.write(AT_US + i * INTERVAL_US)
    made.push(Buffer.concat(body.pieces).toString('latin1'))
  }
  return made
}

/** What is stored of a text. */
async function stored(text: string) {
  const gpus = new GpuReadings({ table: new SeriesTable(), nowUs: () => AT_US })
  const tags = { url: 'u', host: 'h' }
  const reader = new TextReader({ tags, maxSeries: 1e6, gpus, encoder: new FrameRowEncoder(), send: async () => {} })
  const reading = await reader.read(Buffer.from(text), AT_US)
  const samples: unknown[] = []
  gpus.flush(({ series, values }) => {
    if (series.measurement !== 'gpu') return
    // Fields come in the order of the lines, which is another one.
    const fields = series.fieldNames.flatMap((name, i) =>
      values[i] === undefined ? [] : ([[name, values[i]]] as const),
    )
    samples.push([series.key, Object.fromEntries(fields)])
  })
  return { reading, samples }
}

describe('GPUs', () => {
  it.each(GENERATIONS)('%s: are what they were', async (generation) => {
    await expect((await texts(generation, 8, 1)).join('')).toMatchFileSnapshot(`testdata/dcgm-${generation}.txt`)
  })

  it('of one seed are the same in both generations, where values are none too', async () => {
    const [older, newer] = await Promise.all(GENERATIONS.map((generation) => texts(generation, 100, 4)))
    for (const [i, text] of older!.entries()) {
      const [one, other] = [await stored(text), await stored(newer![i]!)]
      expect(other.samples).toEqual(one.samples)
      expect(one.samples).toHaveLength(100)
      const blank = (text.match(/ 9223372036854775794$/gm) ?? []).length
      expect(blank).toBeGreaterThan(0)
      expect(one.reading).toMatchObject({ missing: blank, bad: 0, values: other.reading.values })
      expect(other.reading).toMatchObject({ missing: 0, bad: 0, lines: one.reading.lines - blank })
    }
    expect(new Set(older).size).toBe(4)
  })
})
