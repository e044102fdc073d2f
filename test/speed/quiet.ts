import { statfs } from 'node:fs/promises'
import { freemem, loadavg, tmpdir } from 'node:os'
import type { Row, Settings } from './row.ts'

/** Above it something else is at work, and takes CPU and caches from what is measured. */
const MOST_LOAD = 0.5
/** InfluxDB's files and its log of writes, a sample of two fields: 24 seen. */
const STORE_BYTES_PER_SAMPLE = 40
const SPARE_DISK_BYTES = 2e9
/** Redis, InfluxDB with its cache, a server and the load generator. */
const MEMORY_BYTES = 3e9

/** What speaks against measuring now; empty when nothing does. */
export function disturbances(load = loadavg()[0]!): string[] {
  if (load <= MOST_LOAD) return []
  return [`the load average is ${load.toFixed(2)}: something else is at work, and figures of now are not to be trusted`]
}

/** What this machine lacks for the rows; empty when nothing. */
export function shortages(rows: readonly Row[], settings: Settings, free: { memory: number; disk: number }): string[] {
  const samples = Math.max(0, ...rows.map((row) => row.samples?.(settings) ?? 0))
  const disk = samples * STORE_BYTES_PER_SAMPLE + SPARE_DISK_BYTES
  const short = (what: string, has: number, needs: number): string[] =>
    has >= needs ? [] : [`${what}: ${(has / 1e9).toFixed(1)} GB free, ${(needs / 1e9).toFixed(1)} GB needed`]
  return [...short('memory', free.memory, MEMORY_BYTES), ...short(tmpdir(), free.disk, disk)]
}

export async function freeNow(): Promise<{ memory: number; disk: number }> {
  const { bavail, bsize } = await statfs(tmpdir())
  return { memory: freemem(), disk: bavail * bsize }
}
