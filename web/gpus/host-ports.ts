import { metricFigure, rateFigure } from '../charts/metric-panel.ts'
import { millisecondsOf, numberOf, type Panel, type Reader } from '../charts/panel.ts'
import { CounterRates } from '../charts/rates.ts'
import type { Fabric, FabricCells, FabricMetric } from '../shared/api.ts'

/** A switch or port of a fabric. */
export interface Port {
  readonly fabric: string
  readonly id: string
  /** The description of its node; '' where it is a switch. */
  readonly node: string
}

/** `leaf-1 · 7`; its id where nothing describes its node. */
export function portName({ id, node }: Port): string {
  if (node === '' || id.startsWith(node)) return id
  const number = id.slice(id.lastIndexOf('_') + 1)
  return number === id ? node : `${node} · ${number}`
}

/** All rows of a fabric. */
export function portsOf(fabric: string, { ids, groups }: Pick<FabricCells, 'ids' | 'groups'>): Port[] {
  let first = 0
  return groups.flatMap(({ name, count }) => {
    const own = ids.slice(first, first + count)
    first += count
    return own.map((id) => ({ fabric, id, node: name }))
  })
}

/**
 * The ports of a host: those whose node has the name of the host as its description, alone or as the first word, as
 * drivers describe the adapters of a host: `node-7 mlx5_0`. The name may stand there without its domain.
 */
export function portsOfHost(ports: readonly Port[], host: string): Port[] {
  const whole = host.toLowerCase()
  const names = new Set(whole === '' ? [] : [whole, whole.split('.', 1)[0]!])
  return ports.filter(({ node }) => names.has(node.toLowerCase().split(/\s/, 1)[0]!))
}

/** What a port carries, from what is the most telling to what is left. */
const TRAFFIC = [
  [/^Port(Xmit|Rcv)DataExtended$/i],
  [/^Port(Xmit|Rcv)Data$/i],
  [/^(bandwidth|throughput|rx_|tx_)/i],
  [/^latency/i],
] as const
/** What is wrong with it, the worst first. */
const TROUBLE = [
  /link_?down/i,
  /xmitdiscards|^discards?/i,
  /^portrcverrors|packet_errors|^(rx|tx)?_?errors/i,
  /^symbol_?error/i,
  /xmitwait/i,
] as const
const MOST_LINES = 4

/** The charts of a port: what it carries, and what is wrong with it. Which figures these are depends on its source. */
export function portPanels({ fabric, subject, metrics }: Fabric): Panel[] {
  const numbers = metrics.filter(({ kind }) => kind !== 'text')
  const traffic = TRAFFIC.map(([pattern]) => numbers.filter(({ name }) => pattern.test(name))).find(
    (found) => found.length > 0,
  )
  const counters = numbers.filter(({ isCounter }) => isCounter)
  const trouble = TROUBLE.flatMap((pattern) => counters.find(({ name }) => pattern.test(name)) ?? [])
  const carried = traffic ?? numbers.filter((metric) => !trouble.includes(metric)).slice(0, 1)
  return [
    ...(carried.length === 0
      ? []
      : [panelOf({ id: 'port-traffic', title: 'Port', fabric, measurement: subject }, carried.slice(0, MOST_LINES))]),
    ...(trouble.length === 0
      ? []
      : [
          panelOf(
            { id: 'port-trouble', title: 'Port errors', fabric, measurement: subject },
            trouble.slice(0, MOST_LINES),
          ),
        ]),
  ]
}

interface About {
  readonly id: string
  readonly title: string
  readonly fabric: string
  readonly measurement: string
}

function panelOf({ id, title, fabric, measurement }: About, metrics: readonly FabricMetric[]): Panel {
  const isRate = metrics.every(({ isCounter }) => isCounter)
  const format = isRate ? rateFigure : metricFigure
  const names = metrics.map(({ name }) => name)
  return {
    ...{ id, title, measurement, fields: names, aggregate: isRate ? 'last' : 'mean', stacked: false },
    lines: names.map((name) => ({ column: name, label: shortName(name), hint: name })),
    ...{ axis: 'decimal', leastStep: 0.01, format },
    makeReader: () => readerOf(fabric, names, isRate),
    headline: (value) => {
      const first = value(names[0]!)
      return [{ figure: first === null ? null : format(first) }]
    },
  }
}

/** Where there are several fabrics, samples name theirs: another one may have a switch of the same name. */
function readerOf(fabric: string, names: readonly string[], isRate: boolean): Reader {
  const rates = new CounterRates()
  return (sample, put) => {
    if ((sample.tags.fabric || fabric) !== fabric) return
    for (const name of names) {
      const value = numberOf(sample.fields[name])
      if (value === null) continue
      const atMs = millisecondsOf(sample)
      const shown = isRate ? rates.next(name, atMs, value) : value
      if (shown !== undefined) put(name, atMs, shown)
    }
  }
}

/** `XmitData` of `PortXmitDataExtended`. */
function shortName(name: string): string {
  return name.replace(/^Port/, '').replace(/(Counter)?(Extended)?$/, '')
}
