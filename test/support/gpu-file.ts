import { execFileSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { influxQuery } from './influx.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/gpu-sample.mjs', import.meta.url))

/** What the fields of the file's metrics are called, and how a value of the file becomes one: written again, beside the product. */
const FIELDS: Readonly<Record<string, readonly [field: string, of: (value: number) => number]>> = {
  DCGM_FI_DEV_GPU_UTIL: ['utilization_percent', (percent) => (percent <= 100 ? percent : Number.NaN)],
  DCGM_FI_DEV_MEM_COPY_UTIL: ['memory_copy_percent', (percent) => (percent <= 100 ? percent : Number.NaN)],
  DCGM_FI_DEV_SM_CLOCK: ['sm_clock_hertz', (mhz) => (mhz <= 20_000 ? mhz * 1e6 : Number.NaN)],
  DCGM_FI_DEV_MEM_CLOCK: ['memory_clock_hertz', (mhz) => (mhz <= 20_000 ? mhz * 1e6 : Number.NaN)],
  DCGM_FI_DEV_GPU_TEMP: ['temperature_celsius', (degrees) => (degrees <= 300 ? degrees : Number.NaN)],
  DCGM_FI_DEV_MEMORY_TEMP: ['memory_temperature_celsius', (degrees) => (degrees <= 300 ? degrees : Number.NaN)],
  DCGM_FI_DEV_POWER_USAGE: ['power_watts', (watts) => (watts <= 100_000 ? watts : Number.NaN)],
  DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: ['energy_joules', (mj) => mj / 1000],
  DCGM_FI_DEV_FB_USED: ['memory_used_bytes', (mib) => (mib < 2 ** 30 ? mib * 1_048_576 : Number.NaN)],
  DCGM_FI_DEV_FB_FREE: ['memory_free_bytes', (mib) => (mib < 2 ** 30 ? mib * 1_048_576 : Number.NaN)],
}
/** Of DCGM, for none, of 32 and 64 bits and as doubles. */
const BLANKS = new Set([2_147_483_633, 2 ** 63, 140_737_488_355_328])

/** Writes a file of readings with the script of the README. */
export function makeGpuFile(path: string, args: readonly string[]): void {
  execFileSync('sh', ['-c', 'exec "$0" "$@" > "$OUT"', process.execPath, SCRIPT, ...args], {
    env: { ...process.env, OUT: path },
  })
}

/** What of a file has to be in the database: `<uuid> <µs> <field>`, or less of it. */
export interface GpuFile {
  /** Lines of the file that are no header. */
  readonly rows: number
  /** By uuid, then `<µs> <field>`: the value. */
  readonly values: ReadonlyMap<string, Map<string, number>>
}

/** Reads a file of the script a line after the other, with the means of JavaScript. */
export async function readGpuFile(path: string): Promise<GpuFile> {
  const values = new Map<string, Map<string, number>>()
  let rows = 0
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (line === '' || line.replace(/^\ufeff/, '').startsWith('timestamp,')) continue
    rows++
    const cells = line.split(',')
    const [time = '', metric = '', , , uuid = '', , , , , , value = ''] = cells
    const known = FIELDS[metric]
    // The last column alone has quotes, and they pair.
    const isWhole = cells.length > 11 && line.endsWith('"') && (line.split('"').length - 1) % 2 === 0
    if (known === undefined || !isWhole || Number.isNaN(Date.parse(time)) || !/^[\d.]+$/.test(value)) continue
    const [field, of] = known
    const number = BLANKS.has(Number(value)) ? Number.NaN : of(Number(value))
    if (Number.isNaN(number)) continue
    const gpu = values.get(uuid) ?? new Map<string, number>()
    values.set(uuid, gpu.set(`${Date.parse(time) * 1000} ${field}`, number))
  }
  return { rows, values }
}

/** How what is stored differs from a file; empty where each value is there, once, with its time, and nothing else. */
export async function compareGpuFile(url: string, database: string, { values }: GpuFile): Promise<string[]> {
  const problems: string[] = []
  const tags = new Set(['measurement', 'time', 'gpu', 'host', 'model', 'uuid'])
  for (const [uuid, expected] of values) {
    const left = new Map(expected)
    for (const row of await influxQuery(url, database, `SELECT * FROM gpu WHERE uuid = '${uuid}'`)) {
      for (const [field, value] of Object.entries(row)) {
        if (tags.has(field) || value === null) continue
        const key = `${row.time} ${field}`
        if (left.get(key) !== value)
          problems.push(`${uuid} ${key}: ${value} is stored, ${left.get(key)} is in the file`)
        left.delete(key)
      }
    }
    for (const [key, value] of left) problems.push(`${uuid} ${key}: ${value} is not stored`)
    if (problems.length > 20) break
  }
  return problems
}
