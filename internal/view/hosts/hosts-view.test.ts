import { describe, expect, it } from 'vitest'
import { LiveWay } from '../../../test/support/live-feed.ts'
import type { FieldValue } from '../../sample/value.ts'
import { NO_FIGURES } from './figures.ts'
import { HostsView } from './hosts-view.ts'

async function openView(options?: { maxSeries?: number }): Promise<{ way: LiveWay; view: HostsView }> {
  const way = new LiveWay(options)
  await way.table.open()
  return { way, view: new HostsView(way.table) }
}

const names = (view: HostsView): string[] => [...view.watched()].map(({ name }) => name)

describe('the figures of a host', () => {
  const cases: Array<[string, Array<[string, Record<string, string>, Record<string, FieldValue>]>, object]> = [
    ['cpu, the part that is not idle', [['cpu', { cpu: 'cpu-total' }, { usage_idle: 87.5 }]], { cpuPercent: 12.5 }],
    ['cpu, never below 0', [['cpu', { cpu: 'cpu-total' }, { usage_idle: 100.01 }]], { cpuPercent: 0 }],
    ['no cpu from a single core', [['cpu', { cpu: 'cpu0' }, { usage_idle: 1 }]], {}],
    ['memory', [['mem', {}, { used_percent: 61 }]], { memPercent: 61 }],
    [
      'load, cores and uptime',
      [['system', {}, { load1: 0.42, n_cpus: 8n, uptime: 1036800n }]],
      { load1: 0.42, cores: 8, uptimeSeconds: 1036800 },
    ],
    [
      "the agent's own words",
      [['sentinel_pipeline', { role: 'agent' }, { version: '0.1.0', os: 'Debian GNU/Linux 12' }]],
      { os: 'Debian GNU/Linux 12', agentVersion: '0.1.0' },
    ],
    ['the short formats', [['system_stats', {}, { cpu: 12, mem: 34 }]], { cpuPercent: 12, memPercent: 34 }],
    [
      "Telegraf's names before the short formats",
      [
        ['system_stats', {}, { cpu: 12, mem: 34 }],
        ['cpu', { cpu: 'cpu-total' }, { usage_idle: 50 }],
      ],
      { cpuPercent: 50, memPercent: 34 },
    ],
    ['a figure of another kind is unknown', [['mem', {}, { used_percent: 'much' }]], {}],
  ]
  it.each(cases)('%s', async (_name, samples, want) => {
    const { way, view } = await openView()
    for (const [measurement, tags, fields] of samples) way.send(measurement, { ...tags, host: 'web-01' }, fields)
    expect(view.host('web-01')?.figures()).toEqual({ ...NO_FIGURES, ...want })
  })

  it.each([
    ['asked once', false],
    ['asked after each sample', true],
  ])('are those of the newest series where several have a figure, %s', async (_name, askEach) => {
    const { way, view } = await openView()
    const send = (numa: string, percent: number) => {
      way.clock.time++
      way.send('mem', { host: 'a', numa }, { used_percent: percent })
      if (askEach) view.host('a')
    }
    send('0', 1)
    send('1', 2)
    send('0', 3)
    expect(view.host('a')?.figures().memPercent).toBe(2)
  })

  it('are those of a series that goes on, where a later one with other tags has stopped', async () => {
    const { way, view } = await openView()
    const send = (tags: Record<string, string>, idle: number) => {
      way.clock.time += 6e6
      way.send('cpu', { host: 'a', cpu: 'cpu-total', ...tags }, { usage_idle: idle })
      way.send('system', { host: 'a', ...tags }, { n_cpus: BigInt(idle) })
    }
    const agent = (instance: string, version: string) =>
      way.send('sentinel_pipeline', { host: 'a', role: 'agent', instance }, { version })
    send({}, 10)
    agent('1', 'old')
    send({ env: 'test' }, 20)
    agent('2', 'new')
    expect(view.host('a')?.figures()).toMatchObject({ cpuPercent: 80, cores: 20, agentVersion: 'new' })
    // The tags are taken back: the later series becomes stale.
    for (let n = 0; n < 3; n++) send({}, 30)
    agent('1', 'newer')
    expect(view.host('a')?.figures()).toMatchObject({ cpuPercent: 70, cores: 30, agentVersion: 'newer' })
  })
})

describe('HostsView', () => {
  it('says how long ago the newest sample of a host arrived, whatever its time', async () => {
    const { way, view } = await openView()
    const start = way.clock.now()
    way.send('cpu', { host: 'a' }, { v: 1 }, start + 5e6)
    way.clock.time += 2e6
    expect(view.host('a')?.ageMs).toBe(2000)
    way.send('mem', { host: 'a' }, { v: 1 }, start)
    expect(view.host('a')).toMatchObject({ ageMs: 0, clockOffsetMs: -2000 })
  })

  it('does not take the own metrics of a role for a sign of life', async () => {
    const { way, view } = await openView()
    way.send('cpu', { host: 'a', cpu: 'cpu-total' }, { usage_idle: 7 })
    const second = () => {
      way.clock.time += 1e6
      for (const role of ['server', 'api', 'agent']) way.send('sentinel_pipeline', { host: 'a', role }, { held: 0 })
    }
    for (let n = 0; n < 10; n++) second()
    expect(view.host('a')).toMatchObject({ stale: false, ageMs: 10_000 })
    expect(view.host('a')?.figures().cpuPercent).toBe(93)
    second()
    expect(view.host('a')).toMatchObject({ stale: true, ageMs: 11_000 })
    expect(view.host('a')?.figures().cpuPercent).toBeNull()
  })

  it('gives no figure of a series that stopped while the others go on, and keeps what does not change', async () => {
    const { way, view } = await openView()
    way.send('sentinel_pipeline', { host: 'a', role: 'agent' }, { os: 'Debian', version: '1' })
    way.send('system', { host: 'a' }, { load1: 1, n_cpus: 4n, uptime: 9n })
    way.send('mem', { host: 'a' }, { used_percent: 95.9 })
    for (let n = 0; n < 11; n++) {
      way.clock.time += 1e6
      way.send('cpu', { host: 'a', cpu: 'cpu-total' }, { usage_idle: 50 })
    }
    expect(view.host('a')?.stale).toBe(false)
    expect(view.host('a')?.figures()).toEqual({
      ...NO_FIGURES,
      ...{ cpuPercent: 50, cores: 4, os: 'Debian', agentVersion: '1' },
    })
    way.send('mem', { host: 'a' }, { used_percent: 12 })
    expect(view.host('a')?.figures().memPercent).toBe(12)
  })

  it('says how wrong the clock of a host is', async () => {
    const { way, view } = await openView()
    for (let n = 0; n < 20; n++) {
      way.clock.time += 1e6
      way.send('cpu', { host: 'behind' }, { v: 1 }, way.clock.time - 300e6)
      way.send('cpu', { host: 'ahead' }, { v: 1 }, way.clock.time + 7_200e6)
    }
    expect(view.host('behind')).toMatchObject({ stale: false, ageMs: 0, clockOffsetMs: -300_000 })
    expect(view.host('ahead')).toMatchObject({ stale: false, ageMs: 0, clockOffsetMs: 7_200_000 })
  })

  it('lists a host when something says that it is watched, not when it only runs a server', async () => {
    const { way, view } = await openView()
    way.send('sentinel_pipeline', { host: 'server-machine', role: 'server' }, { received: 1 })
    way.send('sentinel_pipeline', { host: 'quiet', role: 'agent' }, { version: '1' })
    way.send('anything', { host: 'other' }, { v: 1 })
    way.send('no host', {}, { v: 1 })
    expect(names(view)).toEqual(['quiet', 'other'])
    expect(view.host('server-machine')).toBeDefined()
  })

  it('makes a host anew only when a series of it comes or goes', async () => {
    const { way, view } = await openView({ maxSeries: 6 })
    for (const host of ['a', 'b']) way.send('cpu', { host }, { v: 1 })
    const [a, b] = [view.host('a'), view.host('b')]
    const { version } = view
    way.clock.time += 3_700e6
    way.send('cpu', { host: 'a' }, { v: 2 })
    expect([view.host('a'), view.host('b'), view.version]).toEqual([a, b, version])
    expect(view.host('a')).toBe(a)
    way.send('mem', { host: 'a' }, { used_percent: 5 })
    expect(view.version).toBeGreaterThan(version)
    expect(view.host('a')).not.toBe(a)
    expect(view.host('b')).toBe(b)
    // The table is half full, and what is idle makes room.
    way.send('net', { host: 'a' }, { v: 1 })
    expect(view.host('b')).toBeUndefined()
  })

  it('forgets hosts and figures of series that the table evicted', async () => {
    const { way, view } = await openView({ maxSeries: 6 })
    way.send('cpu', { host: 'gone', cpu: 'cpu-total' }, { usage_idle: 40 })
    way.send('cpu', { host: 'half', cpu: 'cpu-total' }, { usage_idle: 40 })
    expect(view.host('half')?.figures()).toEqual({ ...NO_FIGURES, cpuPercent: 60 })
    way.clock.time += 3_700e6
    way.send('mem', { host: 'half' }, { used_percent: 5 })
    expect(names(view)).toEqual(['gone', 'half'])
    // Above half of the room, series give way that were in use briefly.
    way.send('mem', { host: 'new' }, { used_percent: 6 })
    expect(names(view)).toEqual(['half', 'new'])
    expect(view.host('gone')).toBeUndefined()
    expect(view.host('half')?.figures()).toEqual({ ...NO_FIGURES, memPercent: 5 })
    way.clock.time++
    way.send('cpu', { host: 'gone', cpu: 'cpu-total' }, { usage_idle: 30 })
    expect(view.host('gone')?.figures().cpuPercent).toBe(70)
  })
})
