import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { type Logger, pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/support/servers.ts'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { type Series, SeriesTable } from '../../sample/series.ts'
import type { FieldKind, Slot } from '../../sample/value.ts'
import type { WriteResult } from '../store.ts'
import { settings } from './database.ts'
import { type DuckDbOptions, type DuckDbStore, openDuckDb } from './open.ts'

const DAY_US = 86_400_000_000
/** Noon, so a few seconds more or less stay on the same day. */
const NOON_US = Date.UTC(2026, 0, 10, 12) * 1000
const { signal } = new AbortController()

let folder: string
let path: string
let nowUs: number
const open: DuckDbStore[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-duckdb-'))
  path = join(folder, 'data', 'telemetry.duckdb')
  nowUs = NOON_US
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((store) => store.close()))
  await rm(folder, { recursive: true })
})

async function opened(options: Partial<DuckDbOptions> = {}): Promise<DuckDbStore> {
  const store = await openDuckDb({
    ...{ path, retentionMs: 7 * 86_400_000, clock: { now: () => nowUs }, logger: pino({ enabled: false }) },
    ...options,
  })
  open.push(store)
  return store
}

async function closed(store: DuckDbStore): Promise<void> {
  open.splice(open.indexOf(store), 1)
  await store.close()
}

function seriesOf(measurement: string, host: string, fields: Record<string, FieldKind>): Series {
  const series = new SeriesTable().intern(measurement, [['host', host]], 0)
  if (isRefusal(series)) throw new Error(series.detail)
  for (const [name, kind] of Object.entries(fields)) series.field(name, kind)
  return series
}

function sampleOf(series: Series, values: Slot[], at: number): Sample {
  return { series, values, at, tie: 0 }
}

async function write(store: DuckDbStore, samples: Sample[]): Promise<WriteResult> {
  const batch = store.writer.openBatch()
  for (const sample of samples) {
    const answer = batch.add(sample)
    if (answer !== undefined) throw new Error(`not taken: ${JSON.stringify(answer)}`)
  }
  const result = await store.writer.write(batch, signal)
  batch.release()
  return result
}

async function points(store: DuckDbStore, measurement: string, field: string): Promise<number[]> {
  const range = { startUs: nowUs - 30 * DAY_US, endUs: nowUs + 2 * DAY_US, everyUs: 1_000_000 }
  const found = await store.reader.history(
    { ...range, measurement, fields: [field], tags: {}, aggregate: 'last' },
    signal,
  )
  return found.flatMap((series) => series.points.map(([, value]) => Number(value)))
}

/** One column of the file, read with DuckDB. */
async function ask(sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.fromCache(path, settings())
  const connection = await instance.connect()
  const rows = (await connection.runAndReadAll(sql)).getRows()
  connection.closeSync()
  instance.closeSync()
  return rows.map(([value]) => value)
}

/** Lets another process open the file and then do something. `output` is its first output. */
function openElsewhere(then: string): { other: ChildProcess; output: Promise<string> } {
  const api = createRequire(import.meta.url).resolve('@duckdb/node-api')
  const script = `require(${JSON.stringify(api)}).DuckDBInstance.create(${JSON.stringify(path)})
    .then((db) => { globalThis.db = db; console.log('open'); ${then} }, (error) => console.log(error.message))`
  const other = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  return { other, output: once(other.stdout, 'data').then(([chunk]) => `${chunk}`) }
}

describe('opening', () => {
  it('creates the folder and the file for this user only', async () => {
    await opened()
    expect((await stat(join(folder, 'data'))).mode & 0o777).toBe(0o700)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('keeps the history, the types and the hosts of an earlier process', async () => {
    const first = await opened()
    const float = seriesOf('cpu', 'a', { usage: 'float' })
    await write(first, [sampleOf(float, [1], NOON_US), sampleOf(float, [2], NOON_US + 1_000_000)])
    await closed(first)

    const second = await opened()
    expect(await points(second, 'cpu', 'usage')).toEqual([1, 2])
    expect(await second.reader.hosts(0, signal)).toEqual([{ host: 'a', lastSeenAt: NOON_US + 1_000_000 }])
    const result = await write(second, [
      sampleOf(seriesOf('cpu', 'a', { usage: 'int' }), [3], NOON_US + 2_000_000),
      // A repeat from before the start, and a new value beside it.
      sampleOf(seriesOf('cpu', 'a', { usage: 'float', steal: 'float' }), [4, 5], NOON_US),
      sampleOf(seriesOf('cpu', 'b', { usage: 'float' }), [6], NOON_US),
    ])
    expect(result).toMatchObject({ next: 'ack', rejected: [{ index: 0 }] })
    await closed(second)

    const third = await opened()
    expect(await points(third, 'cpu', 'usage')).toEqual([4, 2, 6])
    expect(await points(third, 'cpu', 'steal')).toEqual([5])
    expect(await ask('SELECT count(*)::INTEGER FROM series')).toEqual([2])
  })

  it('merges only tables with repeats', async () => {
    const store = await opened()
    const series = seriesOf('cpu', 'a', { usage: 'float' })
    const repeats = async (): Promise<unknown[]> => await ask('SELECT repeats FROM days ORDER BY day')
    await write(store, [sampleOf(series, [1], NOON_US - DAY_US), sampleOf(series, [2], NOON_US)])
    await write(store, [sampleOf(series, [3], NOON_US + 1)])
    await write(store, [sampleOf(seriesOf('cpu', 'b', { usage: 'float' }), [3], NOON_US)])
    expect(await repeats()).toEqual([false, false])
    await closed(store)
    const again = await opened()
    await write(again, [sampleOf(series, [4], NOON_US + 2)])
    expect(await repeats()).toEqual([false, false])
    await write(again, [sampleOf(series, [5], NOON_US + 2)])
    expect(await repeats()).toEqual([false, true])
    await write(again, [sampleOf(series, [6], NOON_US - DAY_US)])
    expect(await repeats()).toEqual([true, true])
  })

  it('says who has the file open, and what to do', async () => {
    await mkdir(join(folder, 'data'))
    const { other, output } = openElsewhere('setInterval(() => {}, 1000)')
    try {
      expect(await output).toBe('open\n')
      const failure = opened()
      await expect(failure).rejects.toMatchObject({ name: 'StoreError', kind: 'away' })
      await expect(failure).rejects.toThrow(`${path} is in use by process ${other.pid}`)
      await expect(failure).rejects.toThrow('stop that process, or give this one a file of its own')
    } finally {
      other.kill('SIGKILL')
      await once(other, 'exit')
    }
    expect(await points(await opened(), 'cpu', 'usage')).toEqual([])
  })

  it('lets another process open the file after it is closed', async () => {
    const store = await opened()
    await write(store, [sampleOf(seriesOf('cpu', 'a', { usage: 'float' }), [1], NOON_US)])
    await points(store, 'cpu', 'usage')
    expect(await openElsewhere('').output).toContain('Conflicting lock')
    await closed(store)
    expect(await openElsewhere('').output).toBe('open\n')
  })

  it('refuses to open the file twice in one process', async () => {
    await opened()
    await expect(opened()).rejects.toThrow(`${path} is already open in this process`)
  })

  const damages: Array<[string, (path: string) => Promise<void>]> = [
    ['is something else', (file) => writeFile(file, 'not a database'.repeat(1000))],
    ['is empty', (file) => truncate(file, 0)],
    ['was cut off', (file) => truncate(file, 20_000)],
    ['has flipped bits', async (file) => writeFile(file, (await readFile(file)).fill(0xff, 4096, 12_288))],
  ]
  it.each(damages)('does not change a file that %s, and says what to do', async (_how, damage) => {
    const store = await opened()
    await write(store, [sampleOf(seriesOf('cpu', 'a', { usage: 'float' }), [1], NOON_US)])
    await closed(store)
    await damage(path)
    const before = await readFile(path)
    const failure = opened()
    await expect(failure).rejects.toMatchObject({ name: 'StoreError', kind: 'refused' })
    await expect(failure).rejects.toThrow(`${path} is damaged or no database of this version`)
    await expect(failure).rejects.toThrow('move it away')
    expect((await readFile(path)).equals(before)).toBe(true)
  })

  it('says so when the samples themselves are damaged', async () => {
    const store = await opened()
    const series = seriesOf('cpu', 'a', { usage: 'float' })
    await write(
      store,
      Array.from({ length: 50_000 }, (_, n) => sampleOf(series, [Math.random()], NOON_US + n)),
    )
    await closed(store)
    const bytes = await readFile(path)
    await writeFile(path, bytes.fill(0xff, 12_288 + 100, bytes.length - 300_000))
    await expect(opened()).rejects.toMatchObject({ kind: 'refused', message: expect.stringContaining('move it away') })
  })

  it('refuses a file of another schema', async () => {
    await closed(await opened())
    const instance = await DuckDBInstance.create(path)
    const connection = await instance.connect()
    await connection.run('UPDATE sentinel_schema SET version = 99')
    connection.closeSync()
    instance.closeSync()
    await expect(opened()).rejects.toThrow('schema 99')
  })

  it('names the path when the file cannot exist', async () => {
    await mkdir(path, { recursive: true })
    await expect(opened()).rejects.toThrow(`${path} cannot be opened`)
  })
})

describe('a write that fails', () => {
  it('stores nothing, and a second attempt succeeds', async () => {
    const store = await opened()
    const series = seriesOf('cpu', 'a', { usage: 'float' })
    await write(store, [sampleOf(series, [1], NOON_US)])
    const [table] = await ask("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'samples%'")
    await ask(`ALTER TABLE ${table} RENAME TO hidden`)
    const batch = store.writer.openBatch()
    batch.add(sampleOf(seriesOf('mem', 'b', { used: 'int' }), [2], NOON_US))
    batch.add(sampleOf(series, [3], NOON_US + 1_000_000))
    expect(await store.writer.write(batch, signal)).toMatchObject({
      next: 'retry',
      problem: expect.stringContaining('samples'),
    })
    expect(await points(store, 'mem', 'used')).toEqual([])
    expect(await store.reader.hosts(0, signal)).toEqual([{ host: 'a', lastSeenAt: NOON_US }])
    await ask(`ALTER TABLE hidden RENAME TO ${table}`)
    expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
    batch.release()
    expect(await points(store, 'cpu', 'usage')).toEqual([1, 3])
    expect(await points(store, 'mem', 'used')).toEqual([2])
  })

  it('does not start while the disk is nearly full', async () => {
    const store = await opened({ minFreeBytes: Number.MAX_SAFE_INTEGER })
    const want = expect.stringContaining(`on the disk of ${path}: make room there`)
    expect(await write(store, [sampleOf(seriesOf('cpu', 'a', { usage: 'float' }), [1], NOON_US)])).toMatchObject({
      ...{ next: 'wait', problem: want },
    })
    expect(await store.writer.check(signal)).toEqual(want)
  })
})

describe('queries', () => {
  it('wait in a bounded queue', async () => {
    const store = await opened()
    await write(store, [sampleOf(seriesOf('cpu', 'a', { usage: 'float' }), [1], NOON_US)])
    const asked = await Promise.allSettled(Array.from({ length: 70 }, () => points(store, 'cpu', 'usage')))
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(64)
    expect(asked.at(-1)).toMatchObject({ reason: { kind: 'away', message: expect.stringContaining('64') } })
  })

  it('end after their signal', async () => {
    const store = await opened()
    const series = seriesOf('cpu', 'a', { usage: 'float' })
    const many = Array.from({ length: 50_000 }, (_, n) => sampleOf(series, [n], NOON_US + n))
    await write(store, many)
    await write(store, many)
    const controller = new AbortController()
    const range = { startUs: 0, endUs: NOON_US + DAY_US, everyUs: 1 }
    const query = { ...range, measurement: 'cpu', fields: ['usage'], tags: {}, aggregate: 'p99' as const }
    const asked = Array.from({ length: 3 }, () =>
      store.reader.history(query, controller.signal).then((found) => found.length),
    )
    setImmediate(() => controller.abort())
    for (const one of asked) await expect(one).rejects.toMatchObject({ kind: 'away' })
    expect(await store.reader.history({ ...query, everyUs: DAY_US }, signal)).toHaveLength(1)
  })
})

describe('retention', () => {
  const tables = (): Promise<unknown[]> =>
    ask("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'samples%' ORDER BY ALL")

  const believedUs = async (): Promise<number> => Number((await ask('SELECT believed_us FROM clock'))[0])

  /** A program that runs each day. */
  async function daysLater(days: number): Promise<void> {
    for (let day = 0; day < days; day++) {
      nowUs += DAY_US
      await closed(await opened())
    }
  }

  it('rejects older samples, as InfluxDB does', async () => {
    const store = await opened()
    const series = seriesOf('cpu', 'a', { usage: 'float' })
    const oldest = NOON_US - 7 * DAY_US
    const result = await write(store, [sampleOf(series, [1], oldest - 1), sampleOf(series, [2], oldest)])
    const refusal = {
      reason: 'store_refused',
      detail: 'points beyond retention policy: 2026-01-03T11:59:59.999Z is before 2026-01-03T12:00:00.000Z',
    }
    const line = `cpu,host=a usage=1 ${oldest - 1}000`
    expect(result).toEqual({ next: 'ack', rejected: [{ index: 0, line, refusal }] })
    expect(await points(store, 'cpu', 'usage')).toEqual([2])
  })

  it('drops days at the start, with their series and measurements', async () => {
    const first = await opened()
    await write(first, [sampleOf(seriesOf('cpu', 'old', { usage: 'float', gone: 'bool' }), [1, true], NOON_US)])
    await write(first, [sampleOf(seriesOf('mem', 'old', { used: 'int' }), [1], NOON_US)])
    await write(first, [sampleOf(seriesOf('cpu', 'new', { usage: 'float' }), [2], NOON_US + DAY_US)])
    await closed(first)
    expect(await points(await opened(), 'cpu', 'usage')).toEqual([2, 1])
    await closed(open[0]!)

    await daysLater(8)
    const store = await opened()
    expect(await points(store, 'cpu', 'usage')).toEqual([2])
    expect(await store.reader.hosts(0, signal)).toEqual([{ host: 'new', lastSeenAt: NOON_US + DAY_US }])
    expect(await tables()).toHaveLength(1)
    expect(await ask('SELECT name FROM measurements')).toEqual(['cpu'])
    expect(await ask('SELECT tags FROM series')).toEqual(['[["host","new"]]'])
    // After the last sample of a measurement, its fields may have other types.
    const result = await write(store, [
      sampleOf(seriesOf('mem', 'a', { used: 'float' }), [1.5], nowUs),
      sampleOf(seriesOf('cpu', 'a', { usage: 'int' }), [1], nowUs),
    ])
    expect(result).toMatchObject({ next: 'ack', rejected: [{ index: 1 }] })
  })

  it('drops days while it runs, and continues with open series and batches', async () => {
    const store = await opened({ sweepEveryMs: 10 })
    const old = seriesOf('cpu', 'old', { usage: 'float' })
    const lasting = seriesOf('cpu', 'lasting', { usage: 'float' })
    await write(store, [sampleOf(old, [1], NOON_US), sampleOf(lasting, [2], NOON_US)])
    const batch = store.writer.openBatch()
    batch.add(sampleOf(old, [3], NOON_US + 1_000_000))
    batch.add(sampleOf(lasting, [4], NOON_US + 8 * DAY_US))
    for (let day = 0; day < 8; day++) {
      nowUs += DAY_US
      await until('the clock is believed', async () => (await believedUs()) === nowUs)
    }
    await until('the old day is dropped', async () => (await tables()).length === 0)
    expect(await points(store, 'cpu', 'usage')).toEqual([])
    expect(await store.writer.write(batch, signal)).toEqual({ next: 'ack', rejected: [] })
    batch.release()
    await write(store, [sampleOf(old, [5], nowUs + 1_000_000), sampleOf(lasting, [6], nowUs + 2_000_000)])
    expect(await points(store, 'cpu', 'usage')).toEqual([4, 6, 5])
    expect(await tables()).toHaveLength(1)
  })

  it('reuses the space of dropped days', async () => {
    const sizes: number[] = []
    for (let day = 0; day < 12; day++) {
      const store = await opened({ retentionMs: 2 * 86_400_000 })
      const series = seriesOf('cpu', 'a', { value: 'float' })
      // Random digits do not compress: a day takes half a megabyte, and the catalogue a quarter.
      const samples = Array.from({ length: 50_000 }, (_, n) => sampleOf(series, [Math.random()], nowUs + n))
      expect(await write(store, samples)).toEqual({ next: 'ack', rejected: [] })
      await closed(store)
      sizes.push((await stat(path)).size)
      nowUs += DAY_US
    }
    // Three days are kept, and a fourth takes space until it is dropped.
    expect(sizes[3]).toBeGreaterThan(1_500_000)
    expect(Math.max(...sizes)).toBeLessThan(sizes[3]! * 1.4)
  })
})

describe('a clock that contradicts the history', () => {
  const usage = seriesOf('cpu', 'a', { usage: 'float' })

  const storedDays = async (): Promise<unknown> => (await ask('SELECT count(*)::INTEGER FROM days'))[0]

  /** A week of history, and a logger that keeps the messages of its lines. */
  async function withHistory(): Promise<{ logger: Logger; lines: string[] }> {
    const lines: string[] = []
    const logger = pino({}, { write: (line) => lines.push((JSON.parse(line) as { msg: string }).msg) })
    const store = await opened()
    for (let day = 0; day < 7; day++) await write(store, [sampleOf(usage, [day], NOON_US - day * DAY_US)])
    await closed(store)
    return { logger, lines }
  }

  it('that is 30 days ahead drops nothing, at any start, and says so once', async () => {
    const { logger, lines } = await withHistory()
    const believedBefore = nowUs
    nowUs += 30 * DAY_US
    for (let start = 0; start < 2; start++) {
      const store = await opened({ logger, sweepEveryMs: 10 })
      expect(store.retentionProblem).toContain('30 d after the newest moment in the history')
      // The agent of this machine has the same clock.
      await write(store, [sampleOf(usage, [100 + start], nowUs)])
      // Samples with the right time are not too old: they may come from the spool.
      await write(store, [sampleOf(usage, [200 + start], NOON_US - 6.5 * DAY_US)])
      await closed(store)
    }
    expect(lines.filter((line) => line.startsWith('no old samples are dropped'))).toHaveLength(2)

    nowUs = believedBefore
    const store = await opened({ logger })
    expect(store.retentionProblem).toBe('')
    expect((await points(store, 'cpu', 'usage')).length).toBeGreaterThanOrEqual(8)
    await closed(store)
  })

  it('that is set right while it runs lets the sweep go on by itself', async () => {
    const { logger, lines } = await withHistory()
    nowUs += 30 * DAY_US
    await opened({ logger, sweepEveryMs: 10 })
    expect(await storedDays()).toBe(7)
    nowUs = NOON_US + DAY_US
    await until('the sweep goes on', () => lines.includes('old samples are dropped again: the clock is believed'))
    expect(await storedDays()).toBe(7)
    nowUs += DAY_US
    await until('the oldest day is dropped', async () => (await storedDays()) === 6)
  })

  it('is believed after a day of running time, because the machine may have been off', async () => {
    const { logger, lines } = await withHistory()
    let runMs = 0
    const monotonicMs = () => runMs
    nowUs += 30 * DAY_US
    for (let start = 0; start < 3; start++) {
      const store = await opened({ logger, sweepEveryMs: 10, monotonicMs })
      expect(await storedDays()).toBe(7)
      const [before] = await ask('SELECT doubted_ms FROM clock')
      runMs += 7.5 * 3_600_000
      await until('the doubt is noted', async () => (await ask('SELECT doubted_ms FROM clock'))[0] !== before)
      await closed(store)
    }
    const store = await opened({ logger, sweepEveryMs: 10, monotonicMs })
    runMs += 2 * 3_600_000
    await until('the history is dropped', async () => (await storedDays()) === 0)
    expect(store.retentionProblem).toBe('')
    expect(lines).toContain('old samples are dropped again: the clock is believed')
  })

  it('that is years behind drops nothing and says so; samples of that time are dropped once it is right', async () => {
    const { logger } = await withHistory()
    nowUs = 100 * DAY_US
    const store = await opened({ logger, sweepEveryMs: 10 })
    expect(store.retentionProblem).toContain('before the newest moment in the history')
    await write(store, [sampleOf(usage, [1970], nowUs)])
    expect(await storedDays()).toBe(8)
    nowUs = NOON_US
    expect(store.retentionProblem).toBe('')
    await until('1970 is dropped', async () => (await storedDays()) === 7)
  })

  it.each([
    ['of a new version', async () => {}],
    ['of an earlier version', async () => void (await ask('DROP TABLE clock'))],
  ])('is still found, and the sweep goes on, though a host was a year ahead: in a file %s', async (_, change) => {
    const { logger } = await withHistory()
    const store = await opened({ logger })
    await write(store, [sampleOf(seriesOf('cpu', 'ahead', { usage: 'float' }), [1], nowUs + 365 * DAY_US)])
    await closed(store)
    await change()
    nowUs += DAY_US
    const next = await opened({ logger })
    expect(next.retentionProblem).toBe('')
    await closed(next)
    nowUs += DAY_US
    const later = await opened({ logger })
    expect(await points(later, 'cpu', 'usage')).toHaveLength(6)
    await closed(later)
    nowUs += 30 * DAY_US
    const ahead = await opened({ logger })
    expect(ahead.retentionProblem).toContain('30 d after')
  })

  it('is no problem where nothing would be dropped: the machine was off for a weekend', async () => {
    const store = await opened()
    await write(store, [sampleOf(usage, [1], nowUs)])
    await closed(store)
    nowUs += 3 * DAY_US
    expect((await opened()).retentionProblem).toBe('')
  })
})
