import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { compareGpuFile, makeGpuFile, readGpuFile } from '../support/gpu-file.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, until } from '../support/servers.ts'

const ROWS = 1_000_000
const PATIENT_MS = 900_000
/** Of Linux. */
const TICKS_A_SECOND = 100

it('a file of 1,000,000 readings is in InfluxDB, each once, with value and time, over streams', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-large-'))
  const path = join(folder, 'gpus.csv')
  makeGpuFile(path, ['--gpus=250', `--rows=${ROWS}`])
  const [redis, influx] = await Promise.all([startRedis(), startInflux()])
  const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
  const [serverPort, agentPort] = await Promise.all([freePort(), freePort()])
  const common = ['--broker-kind=streams', '--log-level=info']
  const server = startProgram('server', { args: [...common, `--admin-port=${serverPort}`], env })
  await server.logged('server consumes')

  const beganMs = performance.now()
  const file = ['--agent-interval-ms=1h', `--gpu=${path}`, '--gpu-csv-mode=once']
  const agent = startProgram('agent', { args: [...common, `--admin-port=${agentPort}`, ...file], env })
  const end = await agent.logged('is read to its end', PATIENT_MS)
  const readS = (performance.now() - beganMs) / 1000
  const serverUrl = `http://127.0.0.1:${serverPort}`
  await until(
    'the server holds nothing',
    async () =>
      (await metric(`http://127.0.0.1:${agentPort}`, 'sentinel_outbox_samples')) === 0 &&
      (await metric(serverUrl, 'sentinel_held_samples')) === 0 &&
      (await metric(serverUrl, 'sentinel_broker_lag_messages')) === 0,
    PATIENT_MS,
  )
  const storedS = (performance.now() - beganMs) / 1000
  const [agentCpuS, serverCpuS] = [await cpuSeconds(agent), await cpuSeconds(server)]
  const rate = (seconds: number): string => `${Math.round(ROWS / seconds)} rows/s`
  console.info(
    `read in ${readS.toFixed(1)} s (${rate(readS)}), stored in ${storedS.toFixed(1)} s (${rate(storedS)}); CPU: agent ${agentCpuS.toFixed(1)} s, server ${serverCpuS.toFixed(1)} s`,
  )
  expect(end).toMatchObject({ read: ROWS, taken: ROWS, missing: 0, refused: 0 })
  expect(await compareGpuFile(influx.url, 'telemetry', await readGpuFile(path))).toEqual([])
  for (const what of ['lost', 'rejected', 'duplicate'])
    expect([what, await metric(serverUrl, `sentinel_${what}_samples_total`)]).toEqual([what, 0])
  await Promise.all([agent.stop(), server.stop()])
  await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true })])
})

/** User and system time so far. */
async function cpuSeconds({ pid }: Program): Promise<number> {
  const [, behind = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
  const fields = behind.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}
