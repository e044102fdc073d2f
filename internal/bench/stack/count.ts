import type { CountStored } from '../load/load.ts'

/** What the load consists of: every sample has this field of this measurement. */
const MEASUREMENT = 'system_stats'
const FIELD = 'cpu'

/** Counts by InfluxQL, which InfluxDB 1 and 2 both answer. */
export function influxCount(url: string, database: string, token = ''): CountStored {
  return async ({ startUs, endUs }, signal) => {
    const range = `time >= ${startUs}u AND time < ${endUs}u`
    const parameters = new URLSearchParams({
      db: database,
      q: `SELECT count(${FIELD}) FROM ${MEASUREMENT} WHERE ${range}`,
    })
    const headers = new Headers(token === '' ? {} : { authorization: `Token ${token}` })
    const answer = (await json(`${url}/query?${parameters}`, signal, { headers })) as {
      results: Array<{ error?: string; series?: Array<{ values: Array<[time: string, count: number]> }> }>
    }
    const [result] = answer.results
    if (result?.error !== undefined) throw new Error(`InfluxDB cannot count: ${result.error}`)
    return result?.series?.[0]?.values[0]?.[1] ?? 0
  }
}

/**
 * Counts by MetricsQL. VictoriaMetrics keeps whole milliseconds, each with all of its samples, so the range is taken in those. A
 * sample is to be found by queries a second or more after it was written, unless it is told to hurry.
 */
export function victoriaCount(url: string): CountStored {
  return async ({ startUs, endUs }, signal) => {
    await fetch(`${url}/internal/force_flush`, { signal }).then((response) => response.arrayBuffer())
    const firstMs = Math.floor(startUs / 1000)
    const lastMs = Math.floor((endUs - 1) / 1000)
    // A range of MetricsQL is open at its begin: (time - range, time].
    const query = `sum(count_over_time(${MEASUREMENT}_${FIELD}[${lastMs - firstMs + 1}ms]))`
    const parameters = new URLSearchParams({ query, time: `${lastMs / 1000}`, nocache: '1' })
    const answer = (await json(`${url}/api/v1/query?${parameters}`, signal)) as {
      data: { result: Array<{ value: [time: number, count: string] }> }
    }
    return Number(answer.data.result[0]?.value[1] ?? 0)
  }
}

async function json(url: string, signal: AbortSignal, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, { ...init, signal })
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} says ${response.status}: ${body.slice(0, 300)}`)
  return JSON.parse(body)
}
