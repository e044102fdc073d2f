import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CountersTable } from '../support/counters-table.ts'
import { DATABASE, type FabricClient, FabricPrograms, figure, type Running } from '../support/fabric-programs.ts'
import { recordCounters } from '../support/recorded-counters.ts'
import { until } from '../support/servers.ts'
import { compareStored, type StoredCells } from '../support/stored-counters.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

/** A snapshot that lives as long as the test. */
const STILL = '--interval-ms=1h'
const STREAMS = '--broker-kind=streams'

async function tableOf(url: string): Promise<CountersTable> {
  return new CountersTable(await (await fetch(url)).text())
}

describe.concurrent('targets', () => {
  let programs: FabricPrograms
  let api: FabricClient

  beforeAll(async () => {
    programs = await FabricPrograms.open({ influx: false })
    api = await programs.api()
  })
  afterAll(() => programs?.close())

  it('that stand still, or are gone: the last values stay, with their age, until there are new ones', async () => {
    const fabric = 'gone'
    const generator = await programs.generator([STILL, '--seed=1'])
    const limits = ['--fabric-timeout-ms=1500ms', STREAMS]
    const agent = await programs.agent([`--fabric-named=${fabric}=${generator.url}`, ...limits])
    const first = await tableOf(generator.url)
    await api.lists(first, fabric)
    const said = (): unknown[] =>
      agent.program
        .log()
        .flatMap(({ msg, level, problem }) => (`${msg}`.startsWith('target is') ? [[level, problem]] : []))
    // While programs start, an answer may take longer than its limit.
    const before = said().length
    const failed = async (problem: string): Promise<void> => {
      await until(problem, async () => (await figure(agent, 'sentinel_source_failures_total', `"${problem}"`)) > 1)
      await until('it is stale', async () => (await api.target(fabric))!.stale)
      expect(await api.target(fabric)).toMatchObject({ up: false, rows: 50, error: expect.any(String) })
      await api.lists(first, fabric)
    }
    generator.program.signal('SIGSTOP')
    await failed('timeout')
    generator.program.signal('SIGCONT')
    await until('it is up', async () => (await api.target(fabric))!.up)
    await until('it is not stale', async () => !(await api.target(fabric))!.stale)

    generator.program.signal('SIGKILL')
    await generator.program.ended
    await failed('unreachable')
    const next = await programs.generator([STILL, '--seed=2'], Number(new URL(generator.url).port))
    const second = await tableOf(next.url)
    expect(second.lines).not.toEqual(first.lines)
    await api.lists(second, fabric)
    expect(said().slice(before)).toEqual([
      ['warn', 'timeout'],
      ['info', undefined],
      ['warn', 'unreachable'],
      ['info', undefined],
    ])
  })

  it('that are files are read again when they are replaced, and not while they are cut off', async () => {
    const fabric = 'file'
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-fabric-'))
    const path = join(folder, 'ports.csv')
    const [one, two] = await Promise.all(
      [1, 2].map(async (seed) => {
        const args = ['--profile=ufm', '--switches=2', STILL, `--seed=${seed}`]
        return (await fetch((await programs.generator(args)).url)).text()
      }),
    )
    const replace = async (text: string): Promise<void> => {
      await writeFile(`${path}.new`, text)
      await rename(`${path}.new`, path)
    }
    await replace(one!)
    const agent = await programs.agent([`--fabric-named=${fabric}=${path}`, STREAMS])
    await api.lists(new CountersTable(one!), fabric)
    await replace(two!)
    await api.lists(new CountersTable(two!), fabric)
    await writeFile(path, one!.slice(0, one!.length / 2))
    await until('it is cut off', async () => (await figure(agent, 'sentinel_source_failures_total', '"cut_off"')) > 1)
    await api.lists(new CountersTable(two!), fabric)
    await rm(path)
    await until('it is gone', async () => (await figure(agent, 'sentinel_source_failures_total', '"unreachable"')) > 1)
    await api.lists(new CountersTable(two!), fabric)
    await replace(one!)
    await api.lists(new CountersTable(one!), fabric)
    await rm(folder, { recursive: true })
  })

  it('that are shards of one fabric, at two agents, are shown together', async () => {
    const fabric = 'shards'
    const { url } = await programs.generator(['--profile=ufm', '--switches=20', STILL])
    const whole = await tableOf(url)
    expect(whole.lines).toHaveLength(640)
    const shard = (n: number): string => `${fabric}=${url}?num_shards=3&shard=${n}`
    const share = (host: string, shards: readonly number[]): Promise<unknown> =>
      programs.agent([`--agent-host=${host}`, `--fabric-named=${shards.map(shard).join(',')}`, STREAMS])
    await Promise.all([share('a', [0, 1]), share('b', [2])])
    await api.lists(whole, fabric)
    const targets = await api.targets(fabric)
    expect(targets).toHaveLength(3)
    for (const target of targets) expect(target).toMatchObject({ up: true, stale: false })
    expect(new Set(targets.map(({ target }) => target))).toEqual(new Set([url, `${url}#1`, `${url}#2`]))
    expect(new Set(targets.map(({ publisher }) => publisher)).size).toBe(2)
    expect(targets.reduce((sum, { rows }) => sum + rows, 0)).toBe(640)
  })
})

describe.concurrent('Redis', () => {
  it('that is killed and starts empty gets the values again, though targets have nothing new', async () => {
    const programs = await FabricPrograms.open({ influx: false })
    const [{ url }, old] = await Promise.all([programs.generator([STILL]), programs.api()])
    const agent = await programs.agent([`--fabric-targets=${url}`, STREAMS])
    const table = await tableOf(url)
    await old.lists(table)
    const shown = await old.list()
    await programs.redis.halt('SIGKILL')
    expect(await old.list()).toEqual(shown)
    await programs.redis.start()
    const young = await programs.api()
    await young.lists(table)
    await until('they are fresh', async () => (await young.target())?.stale === false)
    expect(await young.list()).toEqual(await old.list())
    expect(await figure(agent, 'sentinel_source_rows_total')).toBe(50)
    await programs.close()
  })
})

describe.concurrent('an agent that is stopped in the middle of a cycle', () => {
  it('leaves what it took on its disk, and the next one sends it: each cell is stored once', async () => {
    const programs = await FabricPrograms.open({ influx: true })
    const folder = await mkdtemp(join(tmpdir(), 'sentinel-fabric-'))
    const [{ url }, proxy, server] = await Promise.all([
      programs.generator(['--profile=ufm', '--switches=2', STILL]),
      startTcpProxy(programs.redis.port),
      programs.server(),
    ])
    const counters = await recordCounters(url)
    const start = (): Promise<Running> => {
      const args = [`--fabric-targets=${counters.url}`, `--data-path=${folder}`, '--agent-host=a']
      return programs.agent(args, `redis://127.0.0.1:${proxy.port}`)
    }
    // It announces what it took before it sends it, and waits half a second for each answer.
    proxy.become({ kind: 'slow', delayMs: 250 })
    const agent = await start()
    await until('it has taken all', async () => (await figure(agent, 'sentinel_source_rows_total')) === 64)
    proxy.become({ kind: 'closed' })
    proxy.cut()
    expect(await agent.program.stop()).toBe(0)
    const summary = agent.program.log().find(({ msg }) => msg === 'summary')
    const of = (name: string): number => Number(summary?.[`fabric_${name}`])
    expect([of('dropped'), of('taken_over')]).toEqual([0, 0])
    expect(of('held')).toBeGreaterThanOrEqual(64)
    expect(of('produced')).toBe(of('sent') + of('held'))

    await counters.hold()
    proxy.become({ kind: 'none' })
    const next = await start()
    await until('it has sent all', async () => (await figure(next, 'sentinel_outbox_samples')) === 0)
    const place = { url: programs.influx!.url, database: DATABASE, measurement: 'fabric_port' } as const
    const taken = counters.bodies.map((body) => ({ table: new CountersTable(body) }))
    let stored: StoredCells | undefined
    await until('all are stored', async () => {
      stored = await compareStored(place, taken)
      return stored.stored === stored.rows
    }).catch(() => {})
    expect(stored).toMatchObject({ rows: 64, stored: 64, problems: [] })
    expect(await figure(server, 'sentinel_lost_samples_total')).toBe(0)
    await Promise.all([programs.close(), counters.stop(), proxy.stop()])
    await rm(folder, { recursive: true })
  })
})
