import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { compareGpuFile, type GpuFile, makeGpuFile, readGpuFile } from '../support/gpu-file.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, until } from '../support/servers.ts'

const ROWS = 1_000_000
const PATIENT_MS = 900_000
/** Of Linux. */
const TICKS_A_SECOND = 100

let folder: string
let path: string
let file: GpuFile

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-large-'))
  path = join(folder, 'gpus.csv')
  makeGpuFile(path, ['--gpus=250', `--rows=${ROWS}`])
  file = await readGpuFile(path)
})
afterAll(() => rm(folder, { recursive: true }))

interface Part {
  readonly program: Program
  readonly admin: string
}

it.each([
  ['over streams', false],
  ['through the queue over HTTP', true],
])('a file of 1,000,000 readings is in InfluxDB, each once, with value and time: %s', async (way, throughQueue) => {
  const [redis, influx] = await Promise.all([startRedis(), startInflux()])
  const parts = new Map<string, Part>()
  const start = async (name: string, args: readonly string[], env: Readonly<Record<string, string>>) => {
    const adminPort = await freePort()
    const program = startProgram(name, { args: ['--log-level=info', `--admin-port=${adminPort}`, ...args], env })
    parts.set(name, { program, admin: `http://127.0.0.1:${adminPort}` })
    return program
  }
  const streams = { REDIS_URL: redis.url, INFLUX_URL: influx.url, SENTINEL_BROKER_KIND: 'streams' }
  await (await start('server', [], streams)).logged('server consumes')
  let address: Readonly<Record<string, string>> = streams
  if (throughQueue) {
    const port = await freePort()
    await (await start('queue', [`--queue-port=${port}`], { REDIS_URL: redis.url })).logged('started')
    address = { USE_HTTP_QUEUE: 'true', MSG_QUEUE_ADDR: `127.0.0.1:${port}` }
  }
  const of = (name: string, what: string): Promise<number> => metric(parts.get(name)!.admin, `sentinel_${what}`)

  const beganMs = performance.now()
  const reads = ['--agent-interval-ms=1h', `--gpu=${path}`, '--gpu-csv-mode=once']
  const end = await (await start('agent', reads, address)).logged('is read to its end', PATIENT_MS)
  const readS = (performance.now() - beganMs) / 1000
  const holds = throughQueue ? [['queue', 'queue_overflow_messages']] : []
  await until(
    'nobody holds anything',
    async () => {
      const waiting = [
        ['agent', 'outbox_samples'],
        ...holds,
        ['server', 'held_samples'],
        ['server', 'broker_lag_messages'],
      ]
      for (const [name, what] of waiting) if ((await of(name!, what!)) !== 0) return false
      return true
    },
    PATIENT_MS,
  )
  const storedS = (performance.now() - beganMs) / 1000
  const rate = (seconds: number): string => `${Math.round(ROWS / seconds)} rows/s`
  const cpu = await Promise.all([...parts].map(async ([name, each]) => `${name} ${await cpuSeconds(each)} s`))
  console.info(
    `${way}: read in ${readS.toFixed(1)} s (${rate(readS)}), stored in ${storedS.toFixed(1)} s (${rate(storedS)}); CPU: ${cpu.join(', ')}`,
  )
  expect(end).toMatchObject({ read: ROWS, taken: ROWS, missing: 0, refused: 0 })
  expect(await compareGpuFile(influx.url, 'telemetry', file)).toEqual([])
  for (const what of ['lost', 'rejected', 'duplicate'])
    expect([what, await of('server', `${what}_samples_total`)]).toEqual([what, 0])
  for (const { program } of [...parts.values()].reverse()) expect(await program.stop()).toBe(0)
  await Promise.all([redis.stop(), influx.stop()])
})

/** User and system time so far. */
async function cpuSeconds({ program: { pid } }: Part): Promise<string> {
  const [, behind = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
  const fields = behind.split(' ')
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND).toFixed(1)
}
