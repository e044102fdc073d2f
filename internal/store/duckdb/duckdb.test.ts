import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { pino } from 'pino'
import { describe } from 'vitest'
import { harnessOf } from '../harness.contract.ts'
import { readerContract } from '../reader.contract.ts'
import { CONTRACT_DAY_US, type OpenStore, storeContract } from '../store.contract.ts'
import { settings } from './database.ts'
import { type DuckDbOptions, openDuckDb } from './open.ts'

storeContract('DuckDB', () => open(), { uint: true })

describe('the contract of readers: DuckDB that sorts its rows all the time', () => {
  const sorting = { minRows: 1, minCells: 1, sliceCells: 10_000, everyMs: 20 }
  readerContract(
    harnessOf(() => open(sorting)),
    { uint: true },
  )
})

async function open(sorting?: DuckDbOptions['sorting']): Promise<OpenStore> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-duckdb-'))
  const path = join(folder, 'telemetry.duckdb')
  const store = await openDuckDb({
    path,
    retentionMs: 100 * 365 * 86_400_000,
    clock: { now: () => CONTRACT_DAY_US + 86_400e6 },
    logger: pino({ enabled: false }),
    ...(sorting === undefined ? {} : { sorting }),
  })
  const instance = await DuckDBInstance.fromCache(path, settings())
  const connection = await instance.connect()
  const rows = async (sql: string, values: string[] = []): Promise<unknown[][]> =>
    (await connection.runAndReadAll(sql, values)).getRows()
  return {
    ...store,
    async texts(measurement, field) {
      const [[id, fieldId, kind] = []] = await rows(
        `SELECT fields.measurement, fields.id, fields.kind FROM fields, measurements
           WHERE measurements.id = fields.measurement AND measurements.name = $1 AND fields.name = $2`,
        [measurement, field],
      )
      const tables = await rows(
        `SELECT table_name FROM duckdb_columns()
           WHERE table_name LIKE 'samples_${id}_%' AND column_name = 'f${fieldId}'`,
      )
      if (tables.length === 0) return []
      const each = tables.map(
        ([table]) =>
          `SELECT time_ns, series, arg_max(CAST(f${fieldId} AS VARCHAR), rowid) AS v FROM ${table} GROUP BY ALL`,
      )
      const found = await rows(`SELECT v FROM (${each.join(' UNION ALL ')}) WHERE v IS NOT NULL ORDER BY time_ns`)
      return found.map(([value]) => (kind === 'float' ? `${Number(value)}` : (value as string)))
    },
    async close() {
      connection.closeSync()
      instance.closeSync()
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}
