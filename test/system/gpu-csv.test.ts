import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { metric } from '../support/api.ts'
import { compareGpuFile, makeGpuFile, readGpuFile } from '../support/gpu-file.ts'
import { influxQuery } from '../support/influx.ts'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

const STREAMS = '--broker-kind=streams'

describe('files of GPU readings', () => {
  let redis: TestServer
  let influx: TestServer
  let folder: string
  let path: string
  let server: Program
  let serverAdmin: string
  const programs: Program[] = []

  beforeEach(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    folder = await mkdtemp(join(tmpdir(), 'sentinel-gpu-'))
    path = join(folder, 'gpus.csv')
    const port = await freePort()
    serverAdmin = `http://127.0.0.1:${port}`
    server = start('server', [STREAMS, `--admin-port=${port}`, `--data-path=${join(folder, 'server')}`])
    await server.logged('server consumes')
  })
  afterEach(async () => {
    for (const program of programs.splice(0)) {
      program.signal('SIGKILL')
      await program.ended
    }
    await Promise.all([redis.stop(), influx.stop(), rm(folder, { recursive: true, force: true })])
  })

  function start(name: string, args: readonly string[]): Program {
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    const program = startProgram(name, { args: ['--log-level=info', ...args], env })
    programs.push(program)
    return program
  }

  const agent = (args: readonly string[]): Program =>
    start('agent', [
      ...[STREAMS, '--admin-port=0', '--agent-interval-ms=1h', `--data-path=${join(folder, 'agent')}`],
      ...[`--gpu=${path}`, ...args],
    ])

  /** Waits until the database has all of the file, and nothing else of GPUs. */
  async function isStored(): Promise<void> {
    const file = await readGpuFile(path)
    let problems: string[] = ['nothing was asked']
    await until(
      'all of the file is stored',
      async () => {
        problems = await compareGpuFile(influx.url, 'telemetry', file).catch((cause) => [String(cause)])
        return problems.length === 0
      },
      60_000,
    ).catch((cause: unknown) => {
      throw new Error(problems.slice(0, 5).join('\n'), { cause })
    })
  }

  it('are stored, each value once, with its time, and each row that is not has its reason', async () => {
    makeGpuFile(path, ['--gpus=16', '--rows=20000', '--awkward'])
    const reader = agent(['--gpu-csv-mode=once'])
    const end = await reader.logged('is read to its end')
    await isStored()
    const { rows, values } = await readGpuFile(path)
    const stored = [...values.values()].reduce((sum, of) => sum + of.size, 0)
    expect(end).toMatchObject({ read: rows, taken: stored })
    expect(Number(end.taken) + Number(end.missing) + Number(end.refused)).toBe(rows)
    expect(await reader.stop()).toBe(0)
    const summary = await reader.logged('summary')
    expect(summary).toMatchObject({ gpu_rows: rows, gpu_rows_taken: stored, gpu_held: 0, gpu_dropped: 0 })
    for (const reason of ['row_syntax', 'time_syntax', 'not_a_number', 'out_of_range', 'missing'])
      expect([reason, Number(summary[`gpu_rows_${reason}`]) > 0]).toEqual([reason, true])
    // Rows read = stored + refused, each with its letter and its reason + missing.
    const letters = await lettersOf(join(folder, 'agent'))
    const refusedBy = Object.fromEntries(
      Object.entries(summary)
        .filter(([key]) => /^gpu_rows_(?!taken|missing)/.test(key))
        .map(([key, count]) => [key.slice('gpu_rows_'.length), count]),
    )
    expect(countBy(letters.map(({ reason }) => reason))).toEqual(refusedBy)
    expect(stored + letters.length + Number(summary.gpu_rows_missing)).toBe(rows)
    expect(new Set(letters.map(({ source }) => source))).toEqual(new Set([`gpu-csv ${path}`]))
    const text = await readFile(path, 'utf8')
    for (const { kind, payload } of letters.filter(({ kind }) => kind === 'text'))
      expect([kind, text.includes(payload)]).toEqual(['text', true])
    const info = await influxQuery(influx.url, 'telemetry', 'SELECT driver_version, pod FROM gpu_info GROUP BY uuid')
    expect(new Set(info.map(({ uuid }) => uuid)).size).toBe(16)
    expect(new Set(info.map(({ driver_version }) => driver_version))).toEqual(new Set(['535.129.03']))
  })

  it('are stored whole though the agent is killed again and again, and the file grows and is rotated', async () => {
    const whole = join(folder, 'whole')
    makeGpuFile(whole, ['--gpus=32', '--rows=160000'])
    const text = await readFile(whole)
    const cut = text.indexOf('\n', text.length / 2) + 1
    await writeFile(path, text.subarray(0, cut))
    const pace = ['--gpu-csv-rows-per-second=20000']
    for (let kill = 0; kill < 3; kill++) {
      const reader = agent(pace)
      await reader.logged('is read')
      await new Promise((resolve) => setTimeout(resolve, 1500))
      reader.signal('SIGKILL')
      await reader.ended
    }
    await appendFile(path, text.subarray(cut, cut + 1_000_100))
    await rename(path, `${path}.1`)
    // Whoever rotates a file ends its last row in the new one only if it writes that row again.
    const begin = text.lastIndexOf('\n', cut + 1_000_100) + 1
    await writeFile(path, text.subarray(begin))
    const reader = agent(['--gpu-csv-mode=follow'])
    await until(
      'the rotated file is done',
      () => reader.log().some(({ msg }) => `${msg}`.includes('to its end')),
      60_000,
    )
    await rm(path)
    await rename(whole, path)
    await isStored()
    const [{ refused }] = reader.log().filter(({ msg }) => `${msg}`.includes('to its end')) as [{ refused: number }]
    expect(refused).toBe(1)
  })

  it('wait while Redis stands still, and none of their rows is dropped', async () => {
    makeGpuFile(path, ['--gpus=32', '--rows=100000'])
    const reader = agent(['--gpu-csv-rows-per-second=50000'])
    await reader.logged('is read')
    process.kill(redis.pid, 'SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 3000))
    process.kill(redis.pid, 'SIGCONT')
    await isStored()
    await reader.stop()
    expect(await reader.logged('summary')).toMatchObject({ gpu_dropped: 0, gpu_held: 0 })
  })

  it('are understood as messages too, as publishers of an earlier system send them, and a bad row is a dead letter', async () => {
    makeGpuFile(path, ['--gpus=8', '--rows=800', '--awkward'])
    const lines = (await readFile(path, 'utf8')).replace(/^\ufeff/, '').split(/\r?\n/)
    const names = lines[0]!.split(',')
    const good = lines.slice(1).filter((line) => line.split(',').length > 11 && line.endsWith('"'))
    const messages = good.map((line) => {
      const cells = line.split(',')
      const all = [...cells.slice(0, 11), cells.slice(11).join(',').slice(1, -1).replaceAll('""', '"')]
      return Object.fromEntries(names.map((name, i) => [name, all[i]]))
    })
    const partitions = 4
    const client = new Redis(redis.url)
    for (let at = 0, turn = 0; at < messages.length; at += 50, turn++) {
      const payload = JSON.stringify(messages.slice(at, at + 50))
      await client.xadd(`queue:{telemetry:${turn % partitions}}`, '*', 'd', payload)
    }
    client.disconnect()
    await isStored()
    const rows = (result: string): Promise<number> =>
      metric(serverAdmin, 'sentinel_gpu_message_rows_total', `"${result}"`)
    expect(await rows('taken')).toBe(
      [...(await readGpuFile(path)).values.values()].reduce((sum, of) => sum + of.size, 0),
    )
    const reasons = (await lettersOf(join(folder, 'server'))).map(({ reason }) => reason)
    for (const reason of ['time_syntax', 'not_a_number', 'out_of_range'])
      expect([reason, reasons.filter((each) => each === reason).length]).toEqual([reason, await rows(reason)])
  })
})

interface Letter {
  readonly reason: string
  readonly source: string
  readonly kind: string
  readonly payload: string
}

async function lettersOf(data: string): Promise<Letter[]> {
  const { stdout } = await run('sentinel', {
    args: ['dead-letters', 'list', '--json', `--data-path=${data}`, '--limit=0'],
  })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Letter)
}

function countBy(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1
  return counts
}

it('sentinel up plays a file of readings again and again, at its pace and with the times of now', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-gpu-'))
  const path = join(folder, 'gpus.csv')
  makeGpuFile(path, ['--gpus=2', '--rows=60', '--interval-ms=1000'])
  const { values } = await readGpuFile(path)
  const [[uuid, of]] = [...values] as [[string, Map<string, number>]]
  const played = [...of].filter(([key]) => key.endsWith('power_watts')).map(([, watts]) => watts)
  expect(played).toHaveLength(3)
  const apiPort = await freePort()
  const args = ['up', `--gpu=${path}`, `--api-port=${apiPort}`, '--admin-port=0', `--data-path=${folder}`]
  const beganUs = Date.now() * 1000
  const up = startProgram('sentinel', { args: [...args, `--duckdb-path=${join(folder, 'h.duckdb')}`] })
  interface Answer {
    readonly series?: ReadonlyArray<{ tags: Record<string, string>; points: Array<[number, number]> }>
  }
  const history = 'hosts/mtv5-dgx1-hgpu-001/metrics?measurement=gpu&field=power_watts&start=-1m&every=100ms'
  let points: Array<[number, number]> = []
  await until('it begins again', async () => {
    const answer = await fetch(`http://127.0.0.1:${apiPort}/api/v1/${history}`).catch(() => undefined)
    const { series = [] } = ((await answer?.json()) ?? {}) as Answer
    points = series.find(({ tags }) => tags.uuid === uuid)?.points ?? []
    return points.length >= 4
  })
  expect(points.map(([, watts]) => watts).slice(0, 4)).toEqual([...played, played[0]])
  expect(points.every(([atUs]) => atUs >= beganUs - 1e6)).toBe(true)
  expect(await up.stop()).toBe(0)
  await rm(folder, { recursive: true })
})
