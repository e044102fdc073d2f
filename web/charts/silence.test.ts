import { describe, expect, it } from 'vitest'
import { PANELS } from '../hosts/panels.ts'
import type { LiveSample } from '../shared/api.ts'
import { FeedData } from './feed-data.ts'
import { PanelData } from './panel-data.ts'

const START_US = 1_763_900_000_000_000

function panel(id: string): PanelData {
  return new PanelData(PANELS.find((one) => one.id === id)!)
}

function sample(
  measurement: string,
  tags: Record<string, string>,
  fields: Record<string, number>,
  second: number,
  stale = false,
): LiveSample {
  const at = START_US + second * 1e6
  return { measurement, tags, fields, at, arrivedAt: at, ...(stale ? { stale: true } : {}) }
}

describe('a figure whose series is stale', () => {
  const mem = (second: number, stale?: boolean) => sample('mem', { host: 'a' }, { used: 7, total: 8 }, second, stale)

  it('is unknown until the series comes again', () => {
    const data = panel('memory')
    data.load([mem(0)], { bucketMs: 1000, rows: 100, untilMs: START_US / 1000, follows: true })
    for (const second of [1, 2, 3]) data.takeLive([mem(second)])
    expect(data.newest('used')).toBe(7)
    data.takeLive([mem(3, true)])
    expect(data.newest('used')).toBeNull()
    data.takeLive([mem(20)])
    expect(data.newest('used')).toBe(7)
    expect(data.table.cells('used')).toEqual([7, 7, 7, 7, null, 7])
  })

  it('is unknown on a page that is opened later, though history has a value', () => {
    const data = panel('memory')
    data.takeLive([mem(1, true)])
    data.load([mem(0), mem(1)], { bucketMs: 1000, rows: 100, untilMs: START_US / 1000, follows: true })
    expect(data.newest('used')).toBeNull()
  })

  it('is unknown on a page that is opened after a restart of an API, which no longer knows the series', () => {
    const data = new FeedData(PANELS)
    const memory = data.panels.find(({ panel: { id } }) => id === 'memory')!
    memory.load([mem(0), mem(1)], { bucketMs: 1000, rows: 100, untilMs: START_US / 1000, follows: true })
    data.opened()
    expect(memory.newest('used')).toBe(7)
    data.takeLive([sample('cpu', { cpu: 'cpu0' }, { usage_user: 1 }, 9)], 'one')
    expect(memory.newest('used')).toBeNull()
  })

  it('is unknown once an API is back that was started anew, and does not know the series', () => {
    const data = new FeedData(PANELS)
    const [memory, load] = ['memory', 'load'].map((id) => data.panels.find(({ panel }) => panel.id === id)!)
    const system = (second: number) => sample('system', { host: 'a' }, { load1: second }, second)
    data.opened()
    data.takeLive([mem(1), system(1)], 'one')
    // A break of the connection to an API that goes on: only what is new comes again.
    data.opened()
    data.takeLive([system(2)], 'one')
    expect(memory!.newest('used')).toBe(7)
    // All that the new API knows comes in two events, of which the last has its id.
    data.opened()
    data.takeLive([system(9)], 'one')
    data.takeLive([], 'two')
    expect([memory!.newest('used'), load!.newest('load1')]).toEqual([null, 9])
    data.takeLive([mem(20)], 'two')
    expect(memory!.newest('used')).toBe(7)
  })

  it('is a rate of all devices until the last of them is silent', () => {
    const data = panel('network')
    const net = (name: string, second: number, stale?: boolean) =>
      sample('net', { interface: name }, { bytes_recv: second * 100, bytes_sent: 0 }, second, stale)
    for (const second of [0, 1]) data.takeLive([net('eth0', second), net('eth1', second)])
    expect(data.newest('down')).toBe(200)
    data.takeLive([net('eth0', 2)])
    data.takeLive([net('eth1', 1, true)])
    expect(data.newest('down')).toBe(100)
    data.takeLive([net('eth0', 2, true)])
    expect(data.newest('down')).toBeNull()
  })

  it('is that of its own disk only', () => {
    const data = panel('disk')
    const disk = (path: string, second: number, stale?: boolean) =>
      sample('disk', { device: path, path, fstype: 'ext4' }, { used_percent: 50 }, second, stale)
    data.takeLive([disk('/', 0), disk('/data', 0)])
    data.takeLive([disk('/', 11), disk('/data', 0, true)])
    const known = [...data.lines].filter(({ column }) => data.newest(column) !== null)
    expect(known).toHaveLength(1)
  })
})

describe('a clock that was set back', () => {
  it('starts the rates anew, and asks for the history again', () => {
    const data = panel('network')
    const net = (bytes: number, second: number) => [
      sample('net', { interface: 'eth0' }, { bytes_recv: bytes, bytes_sent: 0 }, second),
      sample('net', { interface: 'eth1' }, { bytes_recv: bytes, bytes_sent: 0 }, second),
    ]
    expect([7200, 7201].map((second) => data.takeLive(net(second * 100, second)))).toEqual([false, false])
    expect(data.newest('down')).toBe(200)
    expect(data.takeLive(net(720_200, 2))).toBe(true)
    expect(data.takeLive(net(720_500, 3))).toBe(false)
    expect(data.newest('down')).toBe(600)
  })
})
