import { influxQuery } from '../support/influx.ts'
import type { Found } from './flow.ts'
import { payloadOf } from './samples.ts'

export const MEASUREMENT = 'intake'
const ROWS_A_QUERY = 20_000

/** The n-th line has the n-th microsecond from the start on. */
export function lineOf(id: number, fromMs: number): string {
  const { value, count, text } = payloadOf(id)
  const quoted = text.replace(/[\\"]/g, '\\$&')
  const fields = `id=${id}i,value=${value},count=${count}i,text="${quoted}"`
  return `${MEASUREMENT},sender=${senderOf(id)} ${fields} ${fromMs * 1000 + id}`
}

function senderOf(id: number): string {
  return `s${id % 5}`
}

/** The numbers of the lines that are stored as they were posted. */
export async function storedLines(
  { url, database }: Pick<Found, 'url' | 'database'>,
  issued: number,
  fromMs: number,
  problems: string[],
): Promise<Set<number>> {
  const stored = new Set<number>()
  let [found, wrong] = [0, 0]
  for (let from = 0; from < issued; from += ROWS_A_QUERY) {
    const [startUs, endUs] = [from, Math.min(from + ROWS_A_QUERY, issued)].map((id) => fromMs * 1000 + id)
    const where = `time >= ${startUs}u AND time < ${endUs}u`
    const rows = await influxQuery(url, database, `SELECT * FROM ${MEASUREMENT} WHERE ${where}`)
    found += rows.length
    for (const row of rows) {
      const id = Number(row.time) - fromMs * 1000
      const { value, count, text } = payloadOf(id)
      const expected: Record<string, unknown> = { id, value, count, text, sender: senderOf(id) }
      if (Object.entries(expected).every(([column, is]) => row[column] === is)) stored.add(id)
      else if (wrong++ === 0) problems.push(`stored, but not as it was posted: ${JSON.stringify(row)}`)
    }
  }
  if (wrong > 1) problems.push(`${wrong} lines in all are not as they were posted`)
  const [row] = await influxQuery(url, database, `SELECT count(id) FROM ${MEASUREMENT}`)
  const all = Number(row?.count ?? 0)
  if (all !== found) problems.push(`${all - found} points of the intake were never posted`)
  return stored
}
