import { Feed, type Subject } from '../charts/feed.ts'
import type { FeedData } from '../charts/feed-data.ts'
import { hostSubject, oneName } from '../charts/host-subject.ts'
import { CPU, MEMORY } from '../charts/machine-panels.ts'
import type { Panel } from '../charts/panel.ts'
import type { ServerClock } from '../shared/clock.ts'
import type { Period } from '../shared/period.ts'
import { refusalIn, type StreamRefusal } from '../shared/stream.ts'
import { type Gpu, resourceOf } from './gpu.ts'
import { gpuPanels } from './gpu-panels.ts'
import { portPanels } from './host-ports.ts'
import type { FoundPort } from './port-finder.ts'

export const HOST_PANELS: readonly Panel[] = [CPU, MEMORY]

/** A history is loaded again at most so often. */
const LEAST_REFRESH_MS = 5_000

export interface GpuFeedsOptions {
  readonly clock: ServerClock
  /** Of the charts, CSS pixels. */
  readonly plotWidth: () => number
  /** Live samples came. */
  readonly changed: () => void
  /** A history is there, or the first samples are. */
  readonly loaded: () => void
}

/** The data of the charts of one GPU: its own, its host's and its port's, each with its history and its live samples. */
export class GpuFeeds {
  readonly #options: GpuFeedsOptions
  #gpu: Feed | undefined
  #host: Feed | undefined
  #port: Feed | undefined
  #period: Period = { range: '5m' }
  #portEveryMs = 0
  #portLoadedAtMs = 0

  constructor(options: GpuFeedsOptions) {
    this.#options = options
  }

  get gpu(): FeedData | undefined {
    return this.#gpu?.data
  }

  get host(): FeedData | undefined {
    return this.#host?.data
  }

  get port(): FeedData | undefined {
    return this.#port?.data
  }

  /** The width of a bucket of the finest chart, ms. */
  get bucketMs(): number {
    return this.#gpu?.bucketMs ?? 1000
  }

  /** Whether the API knows no GPU of that name. */
  get isUnknown(): boolean {
    return this.#gpu?.loadError?.status === 404 && this.#gpu.data.newestAtMs === 0
  }

  /** Why the API does not give one of the live streams; undefined where it gives them. */
  get refusal(): StreamRefusal | undefined {
    return this.#all.map(({ streamState }) => refusalIn(streamState)).find((refusal) => refusal !== undefined)
  }

  followGpu(gpu: Gpu): void {
    this.close()
    this.#port = undefined
    const { id, narrowed } = resourceOf(gpu)
    const live = new URLSearchParams({ gpu: oneName(id), measurement: 'gpu', ...hostOf(narrowed) })
    this.#gpu = this.#start(gpuPanels(gpu), {
      ...{ of: `gpus/${encodeURIComponent(id)}`, narrowed, live: `api/v1/live?${live}` },
    })
    this.#host = gpu.host === '' ? undefined : this.#start(HOST_PANELS, hostSubject(gpu.host, HOST_PANELS))
  }

  followPort(found: FoundPort | undefined): void {
    this.#stop(this.#port)
    this.#port = undefined
    if (found === undefined) return
    const { port, fabric } = found
    this.#portEveryMs = Math.max(LEAST_REFRESH_MS, fabric.intervalMs)
    this.#portLoadedAtMs = performance.now()
    this.#port = this.#start(portPanels(fabric), {
      ...{ of: `switches/${encodeURIComponent(port.id)}`, narrowed: { fabric: port.fabric } },
      intervalMs: fabric.intervalMs,
    })
  }

  /**
   * Loads the history of the port again, where a cycle of its fabric is over. It has no live stream: a browser opens six connections to
   * a server, and one for the frame, one for the map, the GPU and its host leave two for questions.
   */
  refreshPort(): void {
    if (this.#port === undefined || performance.now() - this.#portLoadedAtMs < this.#portEveryMs) return
    this.#portLoadedAtMs = performance.now()
    void this.#port.load(this.#period)
  }

  load(period: Period): void {
    this.#period = period
    for (const feed of this.#all) void feed.load(period)
  }

  close(): void {
    for (const feed of this.#all) this.#stop(feed)
  }

  get #all(): Feed[] {
    return [this.#gpu, this.#host, this.#port].filter((feed) => feed !== undefined)
  }

  #start(panels: readonly Panel[], subject: Subject): Feed {
    const { clock, plotWidth, changed, loaded } = this.#options
    const feed = new Feed(clock, panels, plotWidth, { changed, loaded, ready: loaded })
    feed.follow(subject)
    void feed.load(this.#period)
    return feed
  }

  #stop(feed: Feed | undefined): void {
    feed?.close()
    feed?.cancelLoad()
  }
}

/** The live stream knows a GPU's host, and no part of it: the charts take what is of their own. */
function hostOf({ hostname }: Readonly<Record<string, string>>): { hostname?: string } {
  return hostname === undefined ? {} : { hostname }
}
