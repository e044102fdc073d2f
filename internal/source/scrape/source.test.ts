import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { blankHeader } from '../../codec/codec.ts'
import { FrameRowEncoder } from '../../codec/frame-rows.ts'
import { GpuReadings } from '../../gpu/readings.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { AnswerBody } from '../answer-body.ts'
import { Target } from '../target.ts'
import { TargetError } from '../target-error.ts'
import { ScrapeSource } from './source.ts'

const BEGAN_US = 1_763_900_000_000_000
const INTERVAL_MS = 15_000

type Answer = string | Error | 'nothing'

/** A source, and a target that answers as it is told. */
class Scene {
  timeUs = BEGAN_US
  answer: Answer = 'a 1\n'
  asked = 0
  frames = 0
  gpuFlushes = 0
  readonly lines: Array<Record<string, unknown>> = []
  readonly source: ScrapeSource
  readonly #encoder = new FrameRowEncoder()

  constructor() {
    const clock = { now: () => this.timeUs }
    const target = new Target({
      ...{ name: 't', intervalMs: INTERVAL_MS, timeoutMs: 1000, maxBodyBytes: 1000, nowMs: () => this.timeUs / 1000 },
      place: { read: (body) => this.#read(body), taken: () => {}, close: () => {} },
    })
    this.source = new ScrapeSource({
      ...{ target, tags: { url: 'u', host: 'h' }, maxSeries: 100, clock, encoder: this.#encoder },
      logger: pino({ level: 'info' }, { write: (line: string) => void this.lines.push(JSON.parse(line)) }),
      gpus: new GpuReadings({ table: new SeriesTable(), nowUs: () => this.timeUs }),
      sendGpus: () => void this.gpuFlushes++,
      send: async (encoder) => {
        encoder.finish(blankHeader())
        this.frames++
      },
    })
  }

  /** Longer than any rest after a failure. */
  async scrape(answer: Answer): Promise<void> {
    this.timeUs += 6 * INTERVAL_MS * 1000
    this.answer = answer
    await this.source.scrape()
  }

  get said(): unknown[] {
    return this.lines.map(({ msg }) => msg)
  }

  async #read(body: AnswerBody): Promise<'read' | 'nothing_new'> {
    this.asked++
    const { answer } = this
    if (answer instanceof Error) throw answer
    if (answer === 'nothing') return 'nothing_new'
    body.begin()
    body.add(Buffer.from(answer))
    return 'read'
  }
}

describe('a source that scrapes', () => {
  it('sends what is the same again, and counts lines', async () => {
    const scene = new Scene()
    for (let i = 0; i < 3; i++) await scene.scrape('a 1\nb 2\nc NaN\n')
    await scene.scrape('nothing')
    const { lines, rows, bad, nothingNew, target } = scene.source
    expect([lines, rows, bad, nothingNew, scene.frames, scene.gpuFlushes]).toEqual([9, 6, 0, 1, 3, 4])
    expect([target.up, scene.said]).toEqual([true, []])
  })

  it('says once what keeps a target from being taken, and that it is taken again', async () => {
    const scene = new Scene()
    const away = new TargetError('unreachable', 'it cannot be asked: away')
    for (const answer of ['a 1\n', away, away, '<html>\n', 'a 1', 'a 2\n', 'a 3\n']) await scene.scrape(answer)
    expect(scene.said).toEqual([
      'target is not taken: it cannot be asked: away',
      'target is not taken: none of its 1 lines can be read: line 1 (name): <html>',
      'target is not taken: it was cut off: its last line has no end',
      'target is taken again',
    ])
    const failures = [...scene.source.failures].filter(([, count]) => count > 0)
    expect(failures).toEqual([['unreachable', 2], ['cut_off', 1], ['not_metrics', 1]]) // biome-ignore format: one line
    expect([scene.source.rows, scene.frames]).toEqual([3, 3])
  })

  it('lets a target rest after a failure', async () => {
    const scene = new Scene()
    await scene.scrape(new TargetError('status', 'it answered 500'))
    await scene.source.scrape()
    expect(scene.asked).toBe(1)
  })

  it('says what is bad of a target once in ten minutes', async () => {
    const scene = new Scene()
    for (let i = 0; i < 3; i++) await scene.scrape('a 1\nb x\n')
    expect(scene.source.bad).toBe(3)
    expect(scene.said).toEqual(['1 of 2 lines of the target are left out: line 2 (value): b x'])
  })

  it('asks nothing more once it is stopped, which is no failure of the target', async () => {
    const scene = new Scene()
    await scene.scrape('a 1\n')
    scene.source.stop(new AbortController().signal)
    await scene.scrape('a 2\n')
    expect([scene.asked, scene.source.target.error, scene.said]).toEqual([1, undefined, []])
  })
})
