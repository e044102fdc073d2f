import type { Translate } from '../../../http/answer-errors.ts'
import type { App } from '../../../http/app-types.ts'
import type { ReadyRoute } from '../../../http/fast-lane.ts'
import { LatencyRecorder } from '../../../observe/latency.ts'
import type { LogThrottle } from '../../../observe/log-throttle.ts'
import type { Clock } from '../../../time/clock.ts'
import type { FabricView } from '../../../view/fabric/fabric-view.ts'
import type { Answers } from './answers.ts'
import { addCounters, type TakeCounters } from './counters.ts'
import { answerInPlainText } from './errors.ts'
import { addGetMetric, readyValue } from './get-metric.ts'
import { addListMetrics, readyList, type TelemetryShape } from './list-metrics.ts'
import { addStats } from './stats.ts'
import { addTop } from './top.ts'

export interface TelemetryOptions {
  readonly view: FabricView
  readonly clock: Clock
  readonly faults: LogThrottle
  readonly answers: Answers
  readonly translate: Translate
  /** Of `ListMetrics`, where a client does not ask for one. */
  readonly shape: TelemetryShape
  /** Takes rows that are pushed; undefined where none are. */
  readonly takeCounters?: TakeCounters | undefined
  /** By request; they are recorded here. */
  readonly latencies: FabricLatencies
}

/** How long the answers to requests for values take, by request. */
export class FabricLatencies {
  readonly getMetric = new LatencyRecorder()
  readonly listMetrics = new LatencyRecorder()
  readonly top = new LatencyRecorder()

  get all(): ReadonlyMap<string, LatencyRecorder> {
    return new Map([
      ['GetMetric', this.getMetric],
      ['ListMetrics', this.listMetrics],
      ['top', this.top],
    ])
  }
}

/** The values of switch fabrics as they are now, from the generation that is shown: no route waits for Redis or the store. */
export function addTelemetryRoutes(app: App, options: TelemetryOptions): void {
  const { view, clock, faults, translate, answers, shape, latencies, takeCounters } = options
  answerInPlainText(app, faults, translate)
  addGetMetric(app, view, latencies.getMetric)
  addListMetrics(app, { view, clock, answers, shape, latency: latencies.listMetrics })
  addTop(app, { view, answers, latency: latencies.top })
  addStats(app, { view, clock, latencies: latencies.all })
  if (takeCounters !== undefined) addCounters(app, takeCounters)
}

/** The answers of the same routes that are ready. @param prefix of their paths */
export function readyTelemetry(
  prefix: string,
  { view, answers, latencies }: Pick<TelemetryOptions, 'view' | 'answers' | 'latencies'>,
): Array<[path: string, ReadyRoute]> {
  const opens = 'telemetry'
  return [
    [`${prefix}/GetMetric`, { opens, ready: readyValue(view), latency: latencies.getMetric }],
    [`${prefix}/ListMetrics`, { opens, ready: readyList(view, answers), latency: latencies.listMetrics }],
  ]
}
