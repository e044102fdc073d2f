import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CountersTable, isSameCell } from '../support/counters-table.ts'
import { DATABASE, FabricPrograms, figure, type Running } from '../support/fabric-programs.ts'
import { influxCount } from '../support/influx.ts'
import { startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'
import { CellComparison, compareStored, type StoredCells } from '../support/stored-counters.ts'

const PORTS = 100_000
/** Each port has a series of its figures, and one of the texts that tell of it. */
const SAMPLES = 2 * PORTS
/** Of figures; those of a port that is down are fewer. */
const METRICS = 31
const PATIENT_MS = 900_000
/** Over Pub/Sub a server on a busy machine may be cut off while it meets 200,000 series, and counts what it lost. */
const STREAMS = '--broker-kind=streams'

/** A file of UFM's telemetry with as many ports as there can be, made by the generator. */
describe('a file of 100,000 ports', () => {
  let folder: string
  let path: string
  let table: CountersTable
  /** Cells that have a value. */
  let cells = 0

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-large-'))
    path = join(folder, 'ports.csv')
    const port = await freePort()
    const size = ['--profile=ufm', '--switches=3125', '--seed=7', '--interval-ms=1h']
    const generator = startProgram('generator', { args: [`--port=${port}`, '--admin-port=0', ...size] })
    await generator.logged('generator answers', 60_000)
    const text = await (await fetch(`http://127.0.0.1:${port}/counters`)).text()
    await generator.stop()
    await writeFile(path, text)
    table = new CountersTable(text)
    for (const line of table.lines) {
      const written = table.cellsOf(line)
      for (const { cell } of table.metrics) if (written[cell] !== '') cells++
    }
    expect([table.lines.length, table.metrics.length]).toEqual([PORTS, METRICS])
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const expectAll = (stored: StoredCells): void =>
    expect(stored).toEqual({ rows: PORTS, stored: PORTS, cells, problems: [] })

  it('is in InfluxDB, each cell once, with value and time, over streams', async () => {
    const programs = await FabricPrograms.open({ influx: true })
    const [server, api] = await Promise.all([programs.server([STREAMS]), programs.api([STREAMS])])
    const agent = await programs.agent([`--fabric-targets=${path}`, '--fabric-interval-ms=10s', STREAMS])
    await until('it is shown', async () => (await api.target())?.rows === PORTS, PATIENT_MS)
    for (let row = 0; row < PORTS; row += 997) {
      const written = table.cellsOf(table.lines[row]!)
      const { name, cell } = table.metrics[row % METRICS]!
      if (written[cell] === '') continue
      const value = await api.value(table.idOf(written), name)
      expect([row, name, value, isSameCell(written[cell]!, value)]).toEqual([row, name, value, true])
    }
    const { url } = programs.influx!
    await untilWritten(agent, server)
    expect(await influxCount(url, DATABASE, 'fabric_info', 'port_guid')).toBe(PORTS)
    expectAll(await compareStored({ url, database: DATABASE, measurement: 'fabric_port' }, [{ table }]))
    // Of its own metrics a server drops some while its queue is full.
    for (const what of ['lost', 'rejected'])
      expect([what, await figure(server, `sentinel_${what}_samples_total`)]).toEqual([what, 0])
    expect(await figure(agent, 'sentinel_unsent_samples_total')).toBe(0)
    expect(await figure(agent, 'sentinel_source_rows_total')).toBe(PORTS)
    await programs.close()
  })

  it('is in DuckDB, each cell once, with value and time, by sentinel up', async () => {
    const [apiPort, adminPort] = await Promise.all([freePort(), freePort()])
    const file = join(folder, 'sentinel.duckdb')
    const up = startProgram('sentinel', {
      args: [
        ...['up', `--api-port=${apiPort}`, `--admin-port=${adminPort}`, `--duckdb-path=${file}`],
        ...[`--fabric-targets=${path}`, '--fabric-interval-ms=10s', '--agent-interval-ms=1h'],
      ],
    })
    await up.logged('fabric is asked', 60_000)
    const running = { program: up, admin: `http://127.0.0.1:${adminPort}` }
    await untilWritten(running, running)
    expect(await up.stop()).toBe(0)
    expectAll(await compareDuckDb(file, table))
  })
})

/** Waits until the agent has sent all, and the server has stored all. */
async function untilWritten(agent: Running, server: Running): Promise<void> {
  await agent.program.logged('fabric cycle', PATIENT_MS)
  await until('all are sent', async () => (await figure(agent, 'sentinel_outbox_samples')) === 0, PATIENT_MS)
  const isWritten = async (): Promise<boolean> =>
    (await figure(server, 'sentinel_written_samples_total')) >= SAMPLES &&
    (await figure(server, 'sentinel_held_samples')) === 0
  await until('all are written', isWritten, PATIENT_MS)
}

/** Compares the table of the day, which has a row a sample. */
async function compareDuckDb(file: string, table: CountersTable): Promise<StoredCells> {
  const database = await DuckDBInstance.create(file, { access_mode: 'READ_ONLY' })
  const connection = await database.connect()
  const rowsOf = async (sql: string): Promise<unknown[][]> => (await connection.runAndReadAll(sql)).getRows()
  const [measurement] = (await rowsOf(`SELECT id FROM measurements WHERE name = 'fabric_port'`))[0]!
  const fields = await rowsOf(`SELECT name, 'f' || id FROM fields WHERE measurement = ${measurement}`)
  const columns = fields.map(([name]) => String(name))
  const days = await rowsOf(
    `SELECT 'samples_' || ${measurement} || '_' || day FROM days WHERE measurement = ${measurement}`,
  )
  const comparison = new CellComparison([{ table }])
  for (const [day] of days) {
    const result = await connection.stream(
      `SELECT tags, time_ns, ${fields.map(([, column]) => column).join(', ')} FROM ${day} JOIN series ON series.id = ${day}.series AND series.measurement = ${measurement}`,
    )
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      for (const [tags, timeNs, ...values] of chunk.getRows()) {
        const { node_guid, port_num } = Object.fromEntries(JSON.parse(String(tags)) as Array<[string, string]>)
        const found = new Map(columns.map((name, i) => [name, values[i] === null ? '' : `${values[i]}`]))
        comparison.row(`${node_guid}_${port_num}`, `${timeNs}`, (name) => found.get(name) ?? '')
      }
    }
  }
  connection.closeSync()
  database.closeSync()
  return comparison.end()
}
