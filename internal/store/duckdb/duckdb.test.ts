import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { pino } from 'pino'
import { CONTRACT_DAY_US, storeContract } from '../store.contract.ts'
import { settings } from './database.ts'
import { openDuckDb } from './open.ts'

/** Sorts whatever is there again and again, beside the tests. */
const SORTING = { minRows: 1, cellsPerPart: 1, everyMs: 20 }

for (const sorting of [undefined, SORTING]) contract(sorting)

function contract(sorting: typeof SORTING | undefined): void {
  storeContract(
    sorting === undefined ? 'DuckDB' : 'DuckDB that sorts its rows all the time',
    async () => {
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
          const tablesNow = (): Promise<unknown[][]> =>
            rows(
              `SELECT table_name FROM duckdb_columns()
             WHERE table_name LIKE 'samples_${id}_%' AND column_name = 'f${fieldId}'
             ORDER BY regexp_matches(table_name, '_sorted$') DESC, regexp_matches(table_name, '_part') DESC, length(table_name), table_name`,
            )
          for (;;) {
            const tables = await tablesNow()
            if (tables.length === 0) return []
            const each = tables.map(
              ([table], n) =>
                `SELECT time_ns, series, CAST(f${fieldId} AS VARCHAR) AS v, (${n}, rowid) AS written FROM ${table}`,
            )
            const merged = `SELECT time_ns, arg_max(v, written) AS v FROM (${each.join(' UNION ALL ')}) GROUP BY time_ns, series`
            const found = await rows(`SELECT v FROM (${merged}) WHERE v IS NOT NULL ORDER BY time_ns`).catch(() => [])
            // What is sorted beside the tests takes the place of another table.
            if (JSON.stringify(await tablesNow()) !== JSON.stringify(tables)) continue
            return found.map(([value]) => (kind === 'float' ? `${Number(value)}` : (value as string)))
          }
        },
        async close() {
          connection.closeSync()
          instance.closeSync()
          await store.close()
          await rm(folder, { recursive: true })
        },
      }
    },
    { uint: true },
  )
}
