import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { pino } from 'pino'
import { isRefusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { settings } from '../../internal/store/duckdb/database.ts'
import { openDuckDb } from '../../internal/store/duckdb/open.ts'
import { sleep } from '../support/servers.ts'

export const GPUS = 1_000
export const DAY_S = 86_400
/** Those that dcgm-exporter gives by default, about. */
export const FIELDS = [
  ...['utilization_percent', 'memory_copy_percent', 'temperature_celsius', 'memory_temperature_celsius'],
  ...['power_watts', 'energy_joules', 'sm_clock_hertz', 'memory_clock_hertz'],
  ...['memory_used_bytes', 'memory_free_bytes', 'xid', 'pcie_replays'],
] as const

/** Yesterday, which the store keeps and no sample is added to. */
export function yesterdayS(): number {
  return Math.floor(Date.now() / 1000 / DAY_S - 1) * DAY_S
}

export function tagsOf(n: number): Array<readonly [string, string]> {
  return [
    ['host', `node-${Math.floor(n / 8)}`],
    ['uuid', `GPU-${n}`],
    ['gpu', `${n % 8}`],
    ['model', 'NVIDIA H100 80GB HBM3'],
  ]
}

let made: Promise<string> | undefined

/**
 * A file of DuckDB with a day of 1,000 GPUs, a sample a second, sorted by the store itself. It is made once: writing 86 million samples
 * through a pipeline would take hours. One second is written by our writer, the others are put beside it by DuckDB, in the order in which they
 * would have come. The process removes it when it ends.
 */
export function gpuDay(say: (what: string) => void): Promise<string> {
  made ??= make(say)
  return made
}

async function make(say: (what: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sentinel-gpu-day-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'telemetry.duckdb')
  await writeFirstSecond(path)
  say(`${(GPUS * DAY_S).toLocaleString('en')} samples`)
  await addOthers(path)
  say('sorting them')
  await sorted(path)
  return path
}

const open = (path: string) =>
  openDuckDb({
    ...{ path, retentionMs: 7 * DAY_S * 1000, clock: { now: () => Date.now() * 1000 } },
    ...{ logger: pino({ enabled: false }), sorting: { everyMs: 200 } },
  })

async function writeFirstSecond(path: string): Promise<void> {
  const store = await open(path)
  const table = new SeriesTable()
  const batch = store.writer.openBatch()
  for (let n = 0; n < GPUS; n++) {
    const series = table.intern('gpu', tagsOf(n), 0)
    if (isRefusal(series)) throw new Error(series.detail)
    for (const field of FIELDS) series.field(field, 'float')
    batch.add({ series, values: FIELDS.map((_field, i) => i), at: yesterdayS() * 1e6, tie: 0 })
  }
  const { next } = await store.writer.write(batch, new AbortController().signal)
  if (next !== 'ack') throw new Error(next)
  await store.close()
}

async function addOthers(path: string): Promise<void> {
  const instance = await DuckDBInstance.create(path, settings())
  const connection = await instance.connect()
  const [[first] = []] = (await connection.runAndReadAll('SELECT min(id) FROM series')).getRows()
  const [[name] = []] = (
    await connection.runAndReadAll("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'samples_%'")
  ).getRows()
  // Figures that move as those of GPUs do: slowly, in steps, and with noise.
  const values = FIELDS.map((_field, i) =>
    i % 3 === 0
      ? `CAST(50 + floor(49 * sin((s + g * ${i + 7}) / 97.0)) AS DOUBLE)`
      : i % 3 === 1
        ? 'round(200 + 300 * random(), 1)'
        : 'CAST(80000000000 + 1048576 * floor(1000 * random()) AS DOUBLE)',
  ).join(', ')
  for (let from = 1; from < DAY_S; from += 1_000) {
    const seconds = `range(${from}, ${Math.min(DAY_S, from + 1_000)}) a(s)`
    await connection.run(
      `INSERT INTO ${name} SELECT (${yesterdayS()} + s) * 1000000000, ${first} + g, ${values} FROM ${seconds}, range(${GPUS}) b(g)`,
    )
  }
  connection.closeSync()
  instance.closeSync()
}

/** Waits until the store has sorted what is there, as it does beside its work. */
async function sorted(path: string): Promise<void> {
  const store = await open(path)
  const instance = await DuckDBInstance.fromCache(path, settings())
  const connection = await instance.connect()
  for (let names = ''; !names.includes('_sorted') || names.includes('_part'); await sleep(500)) {
    const tables = await connection.runAndReadAll(
      "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'samples_%'",
    )
    names = tables.getRows().join()
  }
  connection.closeSync()
  instance.closeSync()
  await store.close()
}
