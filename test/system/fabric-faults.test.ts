import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CountersTable } from '../support/counters-table.ts'
import {
  type FabricClient,
  FabricPrograms,
  figure,
  type Running,
  type RunningGenerator,
  type TargetStats,
} from '../support/fabric-programs.ts'
import { until } from '../support/servers.ts'

/** A fault of the generator, and what the agent makes of it. */
const FAULTS = [
  ['ERROR_500', 'status', /^target is not taken: it answered 500: the generator was told to fail$/],
  ['CORRUPT', 'cut_off', /^target is not taken: it was cut off: its last line has no end$/],
  ['PARTIAL', 'cut_off', /^target is not taken: it was cut off after \d+ bytes: aborted$/],
  ['SLOW', 'timeout', /^target is not taken: it did not answer within 0\.6 s$/],
  ['TIMEOUT', 'timeout', /^target is not taken: it did not answer within 0\.6 s$/],
  ['DROP', 'unreachable', /^target is not taken: it cannot be asked: /],
  ['HUGE', 'too_large', /^target is not taken: its answer has more than 64 KiB: raise fabric\.maxBodyBytes/],
] as const

/** So often a fault is met before it is over. */
const TIMES = 3

describe('a generator that goes wrong', () => {
  let programs: FabricPrograms
  let folder: string
  let generator: RunningGenerator
  let agent: Running
  let api: FabricClient

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-fabric-'))
    await writeFile(join(folder, 'generator.yaml'), '')
    programs = await FabricPrograms.open({ influx: false })
    ;[api, generator] = await Promise.all([
      programs.api(),
      programs.generator(['--interval-ms=1s', '--seed=7', `--config=${join(folder, 'generator.yaml')}`]),
    ])
    const limits = ['--fabric-timeout-ms=600ms', '--fabric-max-body-bytes=64KiB', '--broker-kind=streams']
    agent = await programs.agent([`--fabric-targets=${generator.url}`, ...limits])
    await until('it is shown', async () => (await api.target())?.up === true)
  })
  afterAll(async () => {
    await programs?.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function become(mode: string): Promise<void> {
    await writeFile(join(folder, 'generator.yaml'), `generator: { mode: ${mode} }`)
    generator.program.signal('SIGHUP')
  }

  const target = async (): Promise<TargetStats> => (await api.target())!
  const isUp = (): Promise<number> => figure(agent, 'sentinel_source_up')

  /** Waits until newer rows are shown than those of this time, and compares them with what the generator has. */
  async function recovers(takenAt: number): Promise<void> {
    await until('newer values are shown', async () => (await target()).takenAt > takenAt && (await target()).up)
    expect(await isUp()).toBe(1)
    await until('they are those of the generator', async () => {
      const table = new CountersTable(await (await fetch(generator.url)).text())
      return (await api.list()).text === JSON.stringify(listOf(table))
    })
  }

  it.each(FAULTS)('%s: the last good values stay with their age, and it is said once', async (mode, problem, words) => {
    const failures = (): Promise<number> => figure(agent, 'sentinel_source_failures_total', `problem="${problem}"`)
    const others = async (): Promise<string[]> => {
      const lines = (await (await fetch(`${agent.admin}/metrics`)).text()).split('\n')
      return lines.filter(
        (line) => line.startsWith('sentinel_source_failures_total{') && !line.includes(`"${problem}"`),
      )
    }
    const [failedBefore, othersBefore] = [await failures(), await others()]
    const linesBefore = agent.program.log().length
    await become(mode)
    await until('the API knows', async () => !(await target()).up)
    const [last, shown] = [await target(), await api.list()]
    expect(`target is not taken: ${last.error}`).toMatch(words)
    expect(await isUp()).toBe(0)
    const ageS = await figure(agent, 'sentinel_source_age_seconds')
    await until('it is stale', async () => (await target()).stale)
    await until('it was met some times', async () => (await failures()) >= failedBefore + TIMES)
    const later = await target()
    expect(later).toMatchObject({ takenAt: last.takenAt, rows: 50, up: false })
    expect(later.ageMs).toBeGreaterThan(last.ageMs)
    expect(await figure(agent, 'sentinel_source_age_seconds')).toBeGreaterThan(ageS)
    expect(shown.status).toBe(200)
    expect(await api.list()).toEqual(shown)
    expect(await others()).toEqual(othersBefore)
    expect(saidSince(linesBefore)).toEqual([
      expect.objectContaining({ level: 'warn', problem, msg: expect.stringMatching(words) }),
    ])
    await become('NONE')
    await recovers(last.takenAt)
    expect(saidSince(linesBefore).slice(1)).toEqual([
      expect.objectContaining({ level: 'info', msg: 'target is taken again' }),
    ])
  })

  it('EMPTY is an answer with nothing new: it is up, and not stale', async () => {
    const nothingNew = (): Promise<number> => figure(agent, 'sentinel_source_nothing_new_total')
    const failures = await figure(agent, 'sentinel_source_failures_total')
    const linesBefore = agent.program.log().length
    await become('EMPTY')
    await until('the generator is so', async () => (await (await fetch(generator.url)).text()) === '')
    const before = await nothingNew()
    // The first of them may still have been a 304.
    await until('it had nothing new', async () => (await nothingNew()) > before + TIMES)
    const [last, shown] = [await target(), await api.list()]
    const after = await nothingNew()
    await until('it had nothing new for three intervals', async () => (await nothingNew()) > after + TIMES)
    expect(await target()).toMatchObject({ up: true, stale: false, takenAt: last.takenAt })
    expect(await api.list()).toEqual(shown)
    expect(await isUp()).toBe(1)
    expect(await figure(agent, 'sentinel_source_failures_total')).toBe(failures)
    await become('NONE')
    await recovers(last.takenAt)
    expect(saidSince(linesBefore)).toEqual([])
  })

  it('SLOW within the time that a target has is a good answer', async () => {
    const slow = await programs.agent([`--fabric-named=slow=${generator.url}?mode=SLOW`, '--broker-kind=streams'])
    await until('it is shown', async () => (await api.target('slow'))?.up === true)
    expect(await api.targets('slow')).toMatchObject([{ target: generator.url, rows: 50, up: true, stale: false }])
    expect(await figure(slow, 'sentinel_source_failures_total')).toBe(0)
  })

  /** What the agent says, but for the line of each cycle. */
  const saidSince = (lines: number): Array<Record<string, unknown>> =>
    agent.program
      .log()
      .slice(lines)
      .filter(({ msg }) => msg !== 'fabric cycle')
})

/** As the API lists them: numbers without the zeros at their end. */
function listOf(table: CountersTable): Record<string, Record<string, number>> {
  const numbers = ([id, cells]: [string, Map<string, string>]): [string, Record<string, number>] => [
    id,
    Object.fromEntries([...cells].map(([name, cell]) => [name, Number(cell)])),
  ]
  return Object.fromEntries([...table.values()].map(numbers))
}
