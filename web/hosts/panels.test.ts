import { describe, expect, it } from 'vitest'
import { FeedData } from '../charts/feed-data.ts'
import type { LiveSample } from '../shared/api.ts'
import { PANELS } from './panels.ts'

const AT = 1_763_900_000_000

function sample(measurement: string, tags: LiveSample['tags'], fields: LiveSample['fields'], atMs = AT): LiveSample {
  return { measurement, tags: { host: 'web-01', ...tags }, fields, at: atMs * 1000 }
}

/** The data of a host after its (empty) history and these live samples. */
function dataAfter(...samples: LiveSample[]): FeedData {
  const data = new FeedData(PANELS)
  for (const panel of data.panels) panel.load([], { bucketMs: 1000, rows: 100, untilMs: AT, follows: true })
  data.takeLive(samples)
  return data
}

const panelOf = (data: FeedData, id: string) => data.panels.find(({ panel }) => panel.id === id)!

function headlineOf(data: FeedData, id: string): string[] {
  const panel = panelOf(data, id)
  return panel.panel
    .headline((column) => panel.newest(column), panel.lines)
    .map(({ mark, figure, after }) => [mark, figure?.text, figure?.unit, after].filter(Boolean).join(' '))
}

describe('the panels', () => {
  it('read the CPU of the whole host, not of one core', () => {
    const fields = {
      usage_user: 8,
      usage_system: 3,
      usage_iowait: 1,
      usage_softirq: 0.3,
      usage_steal: 0.1,
      usage_idle: 87.6,
    }
    const data = dataAfter(
      sample('cpu', { cpu: 'cpu-total' }, fields),
      sample('cpu', { cpu: 'cpu0' }, { ...fields, usage_user: 99 }),
    )
    expect(headlineOf(data, 'cpu')).toEqual(['12.4 %'])
    const { lines } = panelOf(data, 'cpu')
    expect(lines.map(({ label }) => label)).toEqual(['user', 'system', 'iowait', 'steal', 'irq', 'nice'])
    expect(['steal', 'irq'].map((column) => panelOf(data, 'cpu').newest(column))).toEqual([0.1, 0.3])
  })

  it('count the virtual machines of a host as its programs, as the kernel does', () => {
    const fields = {
      usage_user: 5,
      usage_guest: 60,
      usage_system: 5,
      usage_nice: 0,
      usage_guest_nice: 10,
      usage_idle: 20,
    }
    const data = dataAfter(sample('cpu', { cpu: 'cpu-total' }, fields))
    expect(headlineOf(data, 'cpu')).toEqual(['80.0 %'])
    expect(panelOf(data, 'cpu').newest('user')).toBe(65)
  })

  it('show used memory of total memory', () => {
    const gib = 2 ** 30
    const fields = { total: 16 * gib, used: 6.1 * gib, cached: 5 * gib, buffered: gib, free: 3.9 * gib }
    const data = dataAfter(sample('mem', {}, fields))
    expect(headlineOf(data, 'memory')).toEqual(['6.10 of 16.0 GiB'])
    expect(panelOf(data, 'memory').newest('cached')).toBe(6 * gib)
  })

  it('sum the rates of all interfaces but the loopback, integers beyond 2^53 among them', () => {
    const net = (name: string, bytes: number | string, second: number) =>
      sample('net', { interface: name }, { bytes_recv: bytes, bytes_sent: 0 }, AT + second * 1000)
    const data = dataAfter(
      net('eth0', 1000, 0),
      net('eth1', '9223372036854770000', 0),
      net('lo', 0, 0),
      net('eth0', 3000, 1),
      net('eth1', '9223372036854770000', 1),
      net('lo', 9_000_000, 1),
    )
    expect(headlineOf(data, 'network')).toEqual(['↓ 2.00 kB/s', '↑ 0 B/s'])
  })

  it('leave out what stands on another: a bridge, its containers, a disk of disks', () => {
    const at = (second: number) => AT + second * 1000
    const net = (name: string, bytes: number, second: number, tags = {}) =>
      sample('net', { interface: name, ...tags }, { bytes_recv: bytes, bytes_sent: bytes }, at(second))
    const disk = (name: string, bytes: number, second: number, tags = {}) =>
      sample('diskio', { name, ...tags }, { read_bytes: bytes, write_bytes: 0 }, at(second))
    const marked = { stacked: 'true' }
    const second = (n: number) => [
      ...[net('br0', 10e6 * n, n, marked), net('eth0', 10e6 * n, n), net('veth1', 1e6 * n, n, marked)],
      ...[disk('bcache0', 10e6 * n, n, marked), disk('sda', 10e6 * n, n), disk('dm-3', 10e6 * n, n)],
    ]
    const data = dataAfter(...second(0), ...second(1))
    expect(headlineOf(data, 'network')).toEqual(['↓ 10.0 MB/s', '↑ 10.0 MB/s'])
    expect(headlineOf(data, 'diskio')).toEqual(['R 10.0 MB/s', 'W 0 B/s'])
  })

  it('count the bytes of a disk once, not again with its partitions', () => {
    const disk = (name: string, bytes: number, second: number) =>
      sample('diskio', { name }, { read_bytes: bytes, write_bytes: 0 }, AT + second * 1000)
    const data = dataAfter(disk('sda1', 0, 0), disk('sda', 0, 0), disk('sda1', 5000, 1), disk('sda', 6000, 1))
    expect(headlineOf(data, 'diskio')).toEqual(['R 6.00 kB/s', 'W 0 B/s'])
  })

  it('show a gap after the restart of a counter', () => {
    const net = (bytes: number, second: number) =>
      sample('net', { interface: 'eth0' }, { bytes_recv: bytes, bytes_sent: bytes }, AT + second * 1000)
    const { table } = panelOf(dataAfter(net(10, 0), net(20, 1), net(5, 2), net(15, 3)), 'network')
    expect(table.cells('down')).toEqual([10, null, 10])
  })

  describe('of disks', () => {
    const disk = (path: string, percent: number, second = 0, tags: LiveSample['tags'] = {}) =>
      sample('disk', { device: 'sda1', path, fstype: 'ext4', ...tags }, { used_percent: percent }, AT + second * 1000)
    const labelsOf = (data: FeedData) => panelOf(data, 'disk').lines.map(({ label }) => label)

    it('have a line for each path, also where two have one device name, and name the fullest', () => {
      const data = dataAfter(
        disk('/', 61),
        disk('/home', 61, 0, { fstype: 'btrfs' }),
        disk('/data', 37, 0, { device: 'sdb1' }),
        disk('/run', 99, 0, { fstype: 'tmpfs' }),
      )
      expect(headlineOf(data, 'disk')).toEqual(['61.0 % used on /'])
      expect(labelsOf(data)).toEqual(['/', '/data', '/home'])
    })

    it.each([17, 40, 400])('name the fullest of %d', (count) => {
      const disks = Array.from({ length: count }, (_, index) => disk(`/data${index}`, index === count - 1 ? 93 : 40))
      expect(headlineOf(dataAfter(...disks), 'disk')).toEqual([`93.0 % used on /data${count - 1}`])
      const fromHistory = new FeedData(PANELS)
      panelOf(fromHistory, 'disk').load(disks, { bucketMs: 1000, rows: 100, untilMs: AT, follows: true })
      expect(headlineOf(fromHistory, 'disk')).toEqual([`93.0 % used on /data${count - 1}`])
    })

    it('show one that is mounted, and forget one that is unmounted within seconds', () => {
      const data = dataAfter(disk('/', 50, -1), disk('/backup', 95, -1), disk('/', 50), disk('/backup', 95))
      expect(headlineOf(data, 'disk')).toEqual(['95.0 % used on /backup'])
      for (let second = 1; second <= 6; second++) data.takeLive([disk('/', 50, second)])
      expect(headlineOf(data, 'disk')).toEqual(['50.0 % used on /'])
      expect(labelsOf(data)).toEqual(['/'])
      data.takeLive([disk('/', 50, 7), disk('/new', 60, 7)])
      expect(headlineOf(data, 'disk')).toEqual(['60.0 % used on /new'])
      expect(panelOf(data, 'disk').table.cells('/new').at(-1)).toBe(60)
    })

    it('show in a window of the past what was there then', () => {
      const data = dataAfter(disk('/', 50), disk('/backup', 95))
      for (let second = 1; second <= 6; second++) data.takeLive([disk('/', 50, second)])
      const past = { bucketMs: 1000, rows: 10, untilMs: AT + 1, follows: false }
      panelOf(data, 'disk').load([disk('/', 50), disk('/backup', 95)], past)
      expect(labelsOf(data)).toEqual(['/', '/backup'])
    })

    it('go on as one line when a failing disk turns read-only', () => {
      const data = dataAfter(disk('/', 50, 0, { mode: 'rw' }), disk('/', 50, 1, { mode: 'ro' }))
      expect(panelOf(data, 'disk').table.cells('/')).toEqual([50, 50])
    })
  })

  it('put live values that came while history was on its way after that history', () => {
    const data = new FeedData(PANELS)
    const load = panelOf(data, 'load')
    load.expectHistory()
    data.takeLive([sample('system', {}, { load1: 3 }, AT + 1000)])
    load.load([sample('system', {}, { load1: 2 })], { bucketMs: 1000, rows: 10, untilMs: AT + 1, follows: true })
    expect(load.table.cells('load1')).toEqual([2, 3])
    expect(data.newestAtMs).toBe(AT + 1000)
  })

  it('add no live values to a window of the past', () => {
    const data = new FeedData(PANELS)
    const load = panelOf(data, 'load')
    load.load([sample('system', {}, { load1: 2 })], { bucketMs: 1000, rows: 10, untilMs: AT + 1, follows: false })
    data.takeLive([sample('system', {}, { load1: 3 }, AT + 1000)])
    expect(load.table.cells('load1')).toEqual([2])
    expect(load.mean('load1')).toBe(2)
    expect(load.newest('load1')).toBe(3)
  })
})
