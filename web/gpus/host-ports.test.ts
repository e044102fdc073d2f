import { describe, expect, it } from 'vitest'
import type { Fabric } from '../shared/api.ts'
import { type Port, portName, portPanels, portsOf, portsOfHost } from './host-ports.ts'
import { whyOf } from './port-chooser.ts'

const GROUPS = [
  { name: 'leaf-1', count: 2 },
  { name: 'node-7 mlx5_0', count: 1 },
  { name: 'NODE-7', count: 1 },
  { name: 'node-70 mlx5_0', count: 1 },
  { name: '', count: 1 },
]
const PORTS = portsOf('ib', { ids: ['a_1', 'a_2', 'b_1', 'c_1', 'd_1', 'node-7'], groups: GROUPS })

it.each([
  ['node-7', ['b_1', 'c_1']],
  ['Node-7.example.com', ['b_1', 'c_1']],
  ['node-70', ['d_1']],
  ['node', []],
  ['mlx5_0', []],
  ['', []],
])('the ports of %s are those whose node is described by its name', (host, ids) =>
  expect(portsOfHost(PORTS, host).map(({ id }) => id)).toEqual(ids),
)

const metric = (name: string, kind: 'int' | 'float' | 'text' = 'int') => ({ name, kind, isCounter: kind === 'int' })
const fabricOf = (...metrics: Fabric['metrics']): Fabric => ({
  ...{ fabric: 'ib', subject: 'fabric_port', generation: '1', ageMs: 0, intervalMs: 10_000, stale: false, rows: 6 },
  ...{ switches: 5, targets: [], metrics },
})

it.each([
  [{ id: 'b83f_7', node: 'leaf-1' }, 'leaf-1 · 7'],
  [{ id: 'b83f_7', node: 'b83f' }, 'b83f_7'],
  [{ id: 'sw5', node: '' }, 'sw5'],
  [{ id: 'eth0', node: 'node-7' }, 'node-7'],
])('%j is called %s', (port, name) => expect(portName({ fabric: 'ib', ...port })).toBe(name))

describe('the charts of a port', () => {
  it.each([
    [
      'InfiniBand',
      fabricOf(
        ...['PortXmitDataExtended', 'PortRcvDataExtended', 'PortXmitPktsExtended'].map((name) => metric(name)),
        ...['LinkDownedCounterExtended', 'PortXmitDiscardsExtended', 'hist0'].map((name) => metric(name)),
      ),
      [
        ['XmitData', 'RcvData'],
        ['LinkDowned', 'XmitDiscards'],
      ],
    ],
    [
      'a table of switches',
      fabricOf(metric('latency_ms', 'float'), metric('bandwidth_mbps', 'float'), metric('packet_errors')),
      [['bandwidth_mbps'], ['packet_errors']],
    ],
    ['anything', fabricOf(metric('port_status', 'text'), metric('colour', 'float')), [['colour']]],
    ['texts alone', fabricOf(metric('port_status', 'text')), []],
  ])('of %s', (_, fabric, labels) =>
    expect(portPanels(fabric).map(({ lines }) => lines.map(({ label }) => label))).toEqual(labels),
  )

  it('have rates of counters, of its own fabric alone', () => {
    const [panel] = portPanels(fabricOf(metric('PortXmitDataExtended')))
    const got: unknown[] = []
    const read = panel!.makeReader()
    const send = (second: number, value: number, tags: Record<string, string> = {}) =>
      read(
        { measurement: 'fabric_port', tags, fields: { PortXmitDataExtended: value }, at: second * 1e6 },
        (_, at, rate) => got.push([at, rate]),
      )
    send(0, 100)
    send(5, 9_999, { fabric: 'other' })
    send(10, 600, { fabric: 'ib' })
    expect(got).toEqual([[10_000, 50]])
  })
})

it.each<[{ own: Port[]; all: Port[]; shown?: Port }, string | null, string | RegExp]>([
  [{ own: [], all: [] }, null, 'No fabric is watched, so no switch port stands beside it.'],
  [{ own: [], all: PORTS }, null, /^No port says that it belongs to node-7: .* Choose one\.$/],
  [{ own: [], all: PORTS }, 'x', 'No fabric has a switch or port named x now.'],
  [{ own: [], all: PORTS, shown: PORTS[0]! }, 'a_1', 'as chosen'],
  [{ own: PORTS.slice(2, 3), all: PORTS, shown: PORTS[2]! }, null, 'its node is described as node-7 mlx5_0'],
  [{ own: PORTS.slice(2, 4), all: PORTS, shown: PORTS[2]! }, null, /mlx5_0, the first of 2 ports$/],
])('which port stands beside a GPU is said in words', ({ shown, ...ports }, chosen, words) => {
  const found = shown === undefined ? undefined : { port: shown, fabric: fabricOf() }
  expect(whyOf({ ...ports, shown: found }, 'node-7', chosen)).toMatch(words)
})
