import { createRequire } from 'node:module'
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

  readonly #metrics = new Map<string, ReadMetric>()
  #registry: Registry | undefined

  counter(options: MetricOptions): void {
    this.#add(options, 'counter')
  }

  gauge(options: MetricOptions): void {
    this.#add(options, 'gauge')
  }

  /** A histogram. Its buckets are computed at the scrape. */
  latency({ name, help, label, read }: LatencyMetricOptions): void {
    this.#register({ name, help, type: 'histogram' }, () =>
      [...labelled<LatencyRecorder>(label, read())].flatMap(([labels, recorder]) => [
        ...bucketLines(name, labels, recorder.total()),
      ]),
    )
  }

  #add({ name, help, label, read }: MetricOptions, type: MetricHead['type']): void {
    this.#register({ name, help, type }, () =>
      [...labelled<number>(label, read())].map(([labels, value]) => ({ labels, value })),
    )
  }

  #register(head: MetricHead, values: () => MetricLine[]): void {
    if (this.#metrics.has(head.name)) throw new Error(`the metric ${head.name} has already been registered`)
    this.#metrics.set(head.name, { ...head, get: async () => ({ ...head, values: values() }) })
  }

  /**
   * Loads the library at the first scrape, and of it only what writes the text: with its counters, gauges, default
   * metrics and push gateway, an agent that was scraped had 2.4 MB more.
   */
  #filled(): Registry {
    if (this.#registry === undefined) {
      const RegistryOfLibrary = require('prom-client/lib/registry') as typeof Registry
      this.#registry = new RegistryOfLibrary()
    }
    for (const metric of this.#metrics.values()) {
      // A registry needs only these members of a metric, but its types allow only the library's four classes.
      this.#registry.registerMetric(metric as unknown as Metric)
    }
    return this.#registry
  }
}

/** What the library writes above the values of a metric. */
interface MetricHead {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
}

/** One line; without a name of its own it has that of its metric. */
type MetricLine = Omit<MetricValueWithName<string>, 'metricName'> & { readonly metricName?: string }

/** A metric as the library's registry reads it. */
interface ReadMetric extends MetricHead {
  get(): Promise<MetricHead & { readonly values: readonly MetricLine[] }>
}

type Labels = Record<string, string>

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
