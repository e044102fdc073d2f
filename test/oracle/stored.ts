import { influxQuery } from '../support/influx.ts'
import type { Life, Obligations } from './obligations.ts'
import { IDS_A_LIFE, MEASUREMENT, payloadOf, workerOf } from './samples.ts'
import { DATABASE } from './scene.ts'

/** The number of ids in one query. */
const IDS_A_QUERY = 20_000

/**
 * The ids in the database. A point with the wrong content for its id, or with an id that was never issued, is a problem
 * and is left out.
 */
export async function storedIds(url: string, obligations: Obligations, problems: string[]): Promise<Set<number>> {
  const stored = new Set<number>()
  let [found, wrong] = [0, 0]
  for (const life of obligations.lives.values()) {
    for (let from = 0; from < life.issued; from += IDS_A_QUERY) {
      const rows = await rowsOf(url, life, from, Math.min(from + IDS_A_QUERY, life.issued))
      found += rows.length
      for (const row of rows) {
        const id = idOf(row, life)
        if (id !== undefined && obligations.lifeOf(id) !== undefined) stored.add(id)
        else if (wrong++ === 0) problems.push(`stored, but not as it was made: ${JSON.stringify(row)}`)
      }
    }
  }
  if (wrong > 1) problems.push(`${wrong} samples in all are not as they were made`)
  const [row] = await influxQuery(url, DATABASE, `SELECT count("id") FROM "${MEASUREMENT}"`)
  const all = Number(row?.count ?? 0)
  if (all !== found) problems.push(`${all - found} points of the database were never made`)
  return stored
}

function rowsOf(url: string, life: Life, from: number, end: number): Promise<Array<Record<string, unknown>>> {
  const [startUs, endUs] = [from, end].map((n) => life.baseUs + n * life.spacingUs)
  const where = `"source" = '${life.source}' AND time >= ${startUs}u AND time < ${endUs}u`
  return influxQuery(url, DATABASE, `SELECT * FROM "${MEASUREMENT}" WHERE ${where}`)
}

/** The id of a row; undefined unless every column is as it was made. */
function idOf(row: Readonly<Record<string, unknown>>, { life, source, baseUs, spacingUs }: Life): number | undefined {
  const id = life * IDS_A_LIFE + (Number(row.time) - baseUs) / spacingUs
  const expected: Record<string, unknown> = { ...payloadOf(id), source, worker: workerOf(id) }
  return Object.entries(expected).every(([column, value]) => row[column] === value) ? id : undefined
}
