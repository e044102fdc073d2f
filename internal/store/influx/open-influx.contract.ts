import type { OpenStore } from '../store.contract.ts'
import { InfluxReader } from './reader.ts'
import { InfluxTransport } from './transport.ts'
import { InfluxWriter } from './writer.ts'

export interface InfluxAddress {
  readonly url: string
  readonly token?: string
  readonly org: string
  readonly bucket: string
}

/** A writer and a reader on a real InfluxDB of any version. A first check prepares it (on 1.x it creates the database). */
export async function openInflux(address: InfluxAddress): Promise<OpenStore> {
  const { url, token = '', org, bucket } = address
  const server = { url, token: () => token }
  const writer = new InfluxWriter({ transport: new InfluxTransport(server), org, bucket })
  const reader = new InfluxReader({ transport: new InfluxTransport(server), bucket })
  const problem = await writer.check(AbortSignal.timeout(10_000))
  if (problem !== '') throw new Error(problem)
  return {
    writer,
    reader,
    texts: (measurement, field) => texts(address, measurement, field),
    async close() {
      await writer.close()
      await reader.close()
    },
  }
}

async function texts({ url, token, bucket }: InfluxAddress, measurement: string, field: string): Promise<string[]> {
  const params = JSON.stringify({ measurement: { identifier: measurement }, field: { identifier: field } })
  const q = 'SELECT $field::field FROM $measurement'
  const body = new URLSearchParams({ db: bucket, q, params, chunked: 'true' })
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Token ${token}` }
  const answer = await fetch(`${url}/query`, { method: 'POST', body, headers })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  const found: string[] = []
  for (const line of (await answer.text()).split('\n').filter((text) => text !== '')) {
    // JSON.parse would round integers beyond 2^53: they are read as text.
    const [result] = JSON.parse(line.replace(/,(-?\d{16,})\]/g, ',"$1"]')).results
    if (result.error !== undefined) throw new Error(result.error)
    for (const series of result.series ?? []) for (const row of series.values) found.push(String(row[1]))
  }
  return found
}
