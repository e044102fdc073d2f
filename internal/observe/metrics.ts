import { createRequire } from 'node:module'
import type * as PromClient from 'prom-client'
import type { Metric, MetricValueWithName, Registry } from 'prom-client'
import type { Histogram } from './histogram.ts'
import type { LatencyRecorder } from './latency.ts'

/** The value of a metric at a scrape: one number, or one for each value of its label. */
type Reading = number | Iterable<readonly [labelValue: string, value: number]>

export interface MetricOptions {
  /** `sentinel_<thing>_<unit>`; a counter's ends in `_total`. */
  readonly name: string
  readonly help: string
  /** The name of the label, for a metric with several values. */
  readonly label?: string
  readonly read: () => Reading
}

export interface LatencyMetricOptions {
  /** Ends in `_seconds`. */
  readonly name: string
  readonly help: string
  readonly label?: string
  readonly read: () => LatencyRecorder | Iterable<readonly [labelValue: string, recorder: LatencyRecorder]>
}

/** The bucket bounds, from 10 µs to a minute, three per decade. PromQL computes percentiles from them. */
const LATENCY_BOUNDS_US = [
  ...[10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000],
  ...[100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000],
]

/** Registers one metric. */
type Register = (client: typeof PromClient, registry: Registry) => void

const require = createRequire(import.meta.url)

/**
 * The metrics of one process. Parts keep plain counters, and a metric reads one at each scrape. Counting through the
 * library would cost the hot path more than the work that it counts.
 */
export class Metrics {
  /** Makes Prometheus' text format. */
  readonly registry = {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    metrics: async (): Promise<string> => this.#filled().metrics(),
  } as const

  readonly #names = new Set<string>()
  readonly #waiting: Register[] = []
  #registry: Registry | undefined

  counter({ name, help, label, read }: MetricOptions): void {
    this.#add(name, ({ Counter }, registry) => {
      new Counter({
        name,
        help,
        labelNames: labelNames(label),
        registers: [registry],
        collect() {
          this.reset()
          for (const [labels, value] of labelled(label, read())) this.inc(labels, value)
        },
      })
    })
  }

  gauge({ name, help, label, read }: MetricOptions): void {
    this.#add(name, ({ Gauge }, registry) => {
      new Gauge({
        name,
        help,
        labelNames: labelNames(label),
        registers: [registry],
        collect() {
          this.reset()
          for (const [labels, value] of labelled(label, read())) this.set(labels, value)
        },
      })
    })
  }

  /** A histogram. Its buckets are computed at the scrape. */
  latency({ name, help, label, read }: LatencyMetricOptions): void {
    const metric = {
      name,
      async get() {
        const values: MetricValueWithName<string>[] = []
        for (const [labels, recorder] of labelled<LatencyRecorder>(label, read())) {
          values.push(...bucketLines(name, labels, recorder.total()))
        }
        return { name, help, type: 'histogram', values, aggregator: 'sum' }
      },
    }
    // A registry needs only these members of a metric, but its types allow only the library's four classes.
    this.#add(name, (_, registry) => registry.registerMetric(metric as unknown as Metric))
  }

  #add(name: string, register: Register): void {
    if (this.#names.has(name)) throw new Error(`the metric ${name} has already been registered`)
    this.#names.add(name)
    this.#waiting.push(register)
  }

  /** Loads the library at the first scrape: it brings 80 modules, of which a process that nobody scrapes needs none. */
  #filled(): Registry {
    const client = require('prom-client') as typeof PromClient
    this.#registry ??= new client.Registry()
    for (const register of this.#waiting.splice(0)) register(client, this.#registry)
    return this.#registry
  }
}

type Labels = Record<string, string>
const labelNames = (label: string | undefined): string[] => (label === undefined ? [] : [label])

function* labelled<T extends number | object>(
  label: string | undefined,
  reading: T | Iterable<readonly [string, T]>,
): Generator<[Labels, T]> {
  if (label === undefined) yield [{}, reading as T]
  else
    for (const [labelValue, value] of reading as Iterable<readonly [string, T]>) yield [{ [label]: labelValue }, value]
}

/** A histogram as Prometheus expects it. */
function* bucketLines(name: string, labels: Labels, histogram: Histogram): Generator<MetricValueWithName<string>> {
  const counts = histogram.countsUpTo(LATENCY_BOUNDS_US)
  for (const [i, boundUs] of LATENCY_BOUNDS_US.entries()) {
    yield { metricName: `${name}_bucket`, labels: { ...labels, le: boundUs / 1e6 }, value: counts[i]! }
  }
  yield { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: histogram.count }
  yield { metricName: `${name}_sum`, labels, value: histogram.sum / 1e6 }
  yield { metricName: `${name}_count`, labels, value: histogram.count }
}
