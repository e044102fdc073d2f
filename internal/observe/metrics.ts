import { Counter, Gauge, type Metric, type MetricValueWithName, Registry } from 'prom-client'
import type { Histogram } from './histogram.ts'
import type { LatencyRecorder } from './latency.ts'

/** What a metric says when it is scraped: one number, or one for each value of its label. */
type Reading = number | Iterable<readonly [labelValue: string, value: number]>

export interface MetricOptions {
  /** `sentinel_<thing>_<unit>`; a counter's ends in `_total`. */
  readonly name: string
  readonly help: string
  /** The name of the label that tells the values of a reading apart. */
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

/** From 10 µs to a minute, three a decade: PromQL draws percentiles from these. */
const LATENCY_BOUNDS_US = [
  ...[10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000],
  ...[100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000],
]

/**
 * The metrics of one process. Components keep plain counters; a metric is a way to read one, called at each scrape, because counting
 * through the library would cost the hot path more than what it counts.
 */
export class Metrics {
  readonly registry = new Registry()

  counter({ name, help, label, read }: MetricOptions): void {
    new Counter({
      name,
      help,
      labelNames: labelNames(label),
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [labels, value] of labelled(label, read())) this.inc(labels, value)
      },
    })
  }

  gauge({ name, help, label, read }: MetricOptions): void {
    new Gauge({
      name,
      help,
      labelNames: labelNames(label),
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [labels, value] of labelled(label, read())) this.set(labels, value)
      },
    })
  }

  /** The buckets are computed at the scrape. */
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
    // A registry asks no more of a metric than this, but its types know only the library's own four.
    this.registry.registerMetric(metric as unknown as Metric)
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

/** A recorder's histogram in Prometheus' words. */
function* bucketLines(name: string, labels: Labels, histogram: Histogram): Generator<MetricValueWithName<string>> {
  const counts = histogram.countsUpTo(LATENCY_BOUNDS_US)
  for (const [i, boundUs] of LATENCY_BOUNDS_US.entries()) {
    yield { metricName: `${name}_bucket`, labels: { ...labels, le: boundUs / 1e6 }, value: counts[i]! }
  }
  yield { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: histogram.count }
  yield { metricName: `${name}_sum`, labels, value: histogram.sum / 1e6 }
  yield { metricName: `${name}_count`, labels, value: histogram.count }
}
