import { existsSync } from 'node:fs'
import { appendFile, copyFile, mkdir, mkdtemp, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/support/servers.ts'
import { GpuReadings } from '../../gpu/readings.ts'
import { LogThrottle } from '../../observe/log-throttle.ts'
import type { Refusal } from '../../sample/border.ts'
import { SeriesTable } from '../../sample/series.ts'
import { Positions } from './positions.ts'
import { type GpuCsvOptions, GpuCsvSource } from './source.ts'

const AT = Date.parse('2025-07-18T20:42:00Z') * 1000
const HEADER = 'timestamp,metric_name,uuid,value,pod\n'
const silent = pino({ level: 'silent' })
/** A row of GPU utilization: its second is its value too. */
const row = (second: number, gpu = 'a'): string =>
  `2025-07-18T20:42:${String(second).padStart(2, '0')}Z,DCGM_FI_DEV_GPU_UTIL,${gpu},${second},\n`
const rows = (from: number, to: number, gpu?: string): string =>
  Array.from({ length: to - from }, (_, i) => row(from + i, gpu)).join('')
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

let folder: string
let path: string
const stops: Array<() => Promise<void>> = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-gpu-csv-'))
  path = join(folder, 'gpus.csv')
  await mkdir(join(folder, 'data'))
})
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
  await rm(folder, { recursive: true })
})

/** A source that runs. What it sends is safe at once, unless the test says otherwise. */
function start(options: Partial<GpuCsvOptions> = {}) {
  const seen: Array<{ gpu: string; value: number; second: number }> = []
  const refused: Array<Refusal['reason']> = []
  const scene = { settled: true, dropped: 0, sends: 0 }
  const readings = new GpuReadings({ table: new SeriesTable() })
  const abort = new AbortController()
  const source = new GpuCsvSource({
    ...{ paths: [path], mode: 'follow', isNow: false, isRecordedPace: false, rowsPerSecond: 0, readings },
    positions: new Positions(join(folder, 'data')),
    emit: ({ series, values, at }) => {
      if (series.measurement !== 'gpu') return
      seen.push({ gpu: series.tag('uuid')!, value: values[0] as number, second: (at - AT) / 1e6 })
    },
    send: async () => void scene.sends++,
    settled: async (signal) => {
      while (!scene.settled && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5))
    },
    dropped: () => scene.dropped,
    onRefused: ({ reason }) => refused.push(reason),
    clock: { now: () => Date.now() * 1000 },
    logger: silent,
    throttle: new LogThrottle(silent),
    ...options,
  })
  const running = source.run(abort.signal)
  let isStopped = false
  const stop = async (): Promise<void> => {
    if (isStopped) return
    isStopped = true
    abort.abort()
    await running
    await source.close()
  }
  stops.push(stop)
  const sees = (expected: number[]): Promise<void> =>
    until(`it sees ${expected}`, () => JSON.stringify(seen.map(({ value }) => value)) === JSON.stringify(expected))
  return { source, seen, refused, scene, readings, stop, sees, running, kill: () => abort.abort() }
}

describe('GpuCsvSource', () => {
  it('reads a file to its end, and goes on as it grows', async () => {
    await writeFile(path, HEADER + rows(0, 3))
    const { sees, readings } = start()
    await sees([0, 1, 2])
    await appendFile(path, row(3).slice(0, 20))
    await appendFile(path, row(3).slice(20))
    await sees([0, 1, 2, 3])
    expect(readings.counts).toMatchObject({ read: 4, taken: 4 })
  })

  it('waits for a file that is not there yet, and a folder without files', async () => {
    const { sees, source } = start({ paths: [path, join(folder, 'later')] })
    await writeFile(path, HEADER + rows(0, 1))
    await sees([0])
    await mkdir(join(folder, 'later'))
    await writeFile(join(folder, 'later', 'b.csv'), HEADER + rows(1, 2))
    await writeFile(join(folder, 'later', 'no.txt'), HEADER + rows(2, 3))
    await sees([0, 1])
    expect(source.files).toBe(2)
  })

  it('reads what matches a pattern, each file once', async () => {
    for (const name of ['one', 'two']) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'g.csv'), HEADER + row(name.length === 3 ? (name === 'one' ? 1 : 2) : 0))
    }
    const { sees, source } = start({ paths: [join(folder, '*', 'g?csv'), join(folder, 'one')] })
    await sees([1, 2])
    expect(source.files).toBe(2)
  })

  it('reads a file to its end that was rotated, with what is still added to it, and then the new one', async () => {
    await writeFile(path, HEADER + rows(0, 2))
    const { sees, source } = start()
    await sees([0, 1])
    await appendFile(path, rows(2, 3))
    await rename(path, `${path}.1`)
    await writeFile(path, HEADER + rows(4, 5))
    await appendFile(`${path}.1`, row(3).trimEnd())
    await until('the old one is given up', () => source.files === 1)
    await sees([0, 1, 2, 4, 3])
  })

  it('reads a file again that became shorter', async () => {
    await writeFile(path, HEADER + rows(0, 3))
    const { sees } = start()
    await sees([0, 1, 2])
    await copyFile(path, `${path}.1`)
    await truncate(path, 0)
    await appendFile(path, HEADER + rows(3, 4))
    await sees([0, 1, 2, 3])
  })

  it('reads what is left of a file that vanishes', async () => {
    await writeFile(path, HEADER + rows(0, 2))
    const { sees, source } = start()
    await sees([0, 1])
    await appendFile(path, rows(2, 3))
    await unlink(path)
    await sees([0, 1, 2])
    await until('it is given up', () => source.files === 0)
  })

  it('goes on after a stop where it was, with the header of then', async () => {
    await writeFile(path, HEADER + rows(0, 3))
    const first = start()
    await first.sees([0, 1, 2])
    await first.stop()
    await appendFile(path, rows(3, 5))
    await start().sees([3, 4])
  })

  it('goes on after a stop with a file that was rotated meanwhile, and then with the new one', async () => {
    await writeFile(path, HEADER + rows(0, 3))
    const first = start()
    await first.sees([0, 1, 2])
    await first.stop()
    await appendFile(path, rows(3, 5))
    await rename(path, `${path}.1`)
    await writeFile(path, HEADER + rows(5, 6))
    await start().sees([3, 4, 5])
  })

  it('reads a file from its begin that is another one under the same number', async () => {
    await writeFile(path, HEADER + rows(0, 3))
    const first = start()
    await first.sees([0, 1, 2])
    await first.stop()
    await writeFile(path, HEADER + rows(10, 15))
    await start().sees([10, 11, 12, 13, 14])
  })

  it('reads rows again after an end without a stop of which nobody said that they are safe', async () => {
    await writeFile(path, HEADER + rows(0, 2))
    const first = start()
    await first.sees([0, 1])
    await first.stop()
    await appendFile(path, rows(2, 4))
    const second = start()
    second.scene.settled = false
    await second.sees([2, 3])
    second.kill()
    await start().sees([2, 3])
  })

  it('reads rows again that were given up on their way', async () => {
    await writeFile(path, HEADER + rows(0, 2))
    const { sees, scene } = start()
    await sees([0, 1])
    await until('they are safe', () => existsSync(join(folder, 'data', 'positions')))
    scene.settled = false
    await appendFile(path, rows(2, 4))
    await sees([0, 1, 2, 3])
    scene.dropped = 2
    scene.settled = true
    await sees([0, 1, 2, 3, 2, 3])
  })

  it('ends after one pass where it is told to, and has then counted a last line that is cut off', async () => {
    await writeFile(path, HEADER + rows(0, 3) + row(3).slice(0, 30))
    const { running, seen, source, refused, readings } = start({ mode: 'once' })
    await running
    expect(source.isDone).toBe(true)
    expect(seen.map(({ value }) => value)).toEqual([0, 1, 2])
    expect(refused).toEqual(['row_syntax'])
    expect(readings.counts).toMatchObject({ read: 4, taken: 3 })
  })

  it('takes no number for a value that may be the half of one', async () => {
    await writeFile(path, 'timestamp,metric_name,uuid,value\n2025-07-18T20:42:34Z,DCGM_FI_DEV_GPU_UTIL,a,9')
    const { running, refused } = start({ mode: 'once' })
    await running
    expect(refused).toEqual(['row_syntax'])
  })

  it('passes over a line that is longer than any row', async () => {
    await writeFile(path, `${HEADER}${rows(0, 1)}${'x'.repeat(3 * 2 ** 20)}\n${rows(1, 2)}`)
    const { sees, refused } = start()
    await sees([0, 1])
    expect(refused).toEqual(['row_syntax'])
  })

  it('reads a large file in pieces, and takes no row twice', async () => {
    const gpus = Array.from({ length: 1000 }, (_, i) => `GPU-${i}-${'x'.repeat(40)}`)
    await writeFile(
      path,
      HEADER +
        numbers(0, 60)
          .map((second) => gpus.map((gpu) => row(second, gpu)).join(''))
          .join(''),
    )
    const { running, seen, readings } = start({ mode: 'once' })
    await running
    expect(readings.counts).toMatchObject({ read: 60_000, taken: 60_000, repeated: 0 })
    expect(new Set(seen.map(({ gpu, second }) => `${gpu} ${second}`)).size).toBe(60_000)
    expect(seen.every(({ value, second }) => value === second)).toBe(true)
  })

  it('begins again after the last row, with the time of now', async () => {
    await writeFile(path, HEADER + rows(0, 2))
    const beganUs = Date.now() * 1000
    const { seen } = start({ mode: 'loop', isNow: true })
    await until('the third pass', () => seen.length >= 6)
    expect(seen.slice(0, 6).map(({ value }) => value)).toEqual([0, 1, 0, 1, 0, 1])
    const times = seen.map(({ second }) => second * 1e6 + AT)
    expect(times[0]).toBeGreaterThanOrEqual(beganUs)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(new Set(times).size).toBe(times.length)
  })

  it('lets rows follow each other as they were recorded', async () => {
    await writeFile(path, HEADER + row(0) + row(0, 'b') + row(1) + row(1, 'b') + row(59))
    const { sees, seen } = start({ isRecordedPace: true, isNow: true })
    await sees([0, 0, 1, 1])
    const [first, , third] = seen.map(({ second }) => second)
    expect(third! - first!).toBeCloseTo(1, 6)
  })

  it('lets so many rows leave a second', async () => {
    await writeFile(path, HEADER + rows(0, 50))
    const beganMs = performance.now()
    const { running } = start({ mode: 'once', rowsPerSecond: 100 })
    await running
    expect(performance.now() - beganMs).toBeGreaterThan(400)
  })
})
