import type { LiveSeries } from '../../live/live-series.ts'
import type { LiveTable, SeriesWatcher } from '../../live/live-table.ts'
import { LiveGpu } from './gpu.ts'
import { gpuKey, gpuTags } from './identity.ts'

/** The GPUs of the live table. Their figures are read from their series when they are asked for, so samples cost the view nothing. */
export class GpusView implements SeriesWatcher {
  readonly #table: LiveTable
  readonly #gpus = new Map<string, LiveGpu>()
  #version = 0

  constructor(table: LiveTable) {
    this.#table = table
    table.watch(this)
  }

  /** Grows when a GPU, or a series of one, comes or goes. */
  get version(): number {
    return this.#version
  }

  /** Grows when anything may have changed. */
  get generation(): number {
    return this.#table.generation
  }

  /** Every GPU, in the order in which they came. */
  all(): Iterable<LiveGpu> {
    return this.#gpus.values()
  }

  get(key: string): LiveGpu | undefined {
    return this.#gpus.get(key)
  }

  added(live: LiveSeries): void {
    if (!isOfGpu(live)) return
    const tags = gpuTags((key) => live.series.tag(key))
    const key = gpuKey(tags)
    let gpu = this.#gpus.get(key)
    if (gpu === undefined) {
      gpu = new LiveGpu(tags, this.#table)
      this.#gpus.set(key, gpu)
    }
    gpu.add(live, tags)
    this.#version++
  }

  removed(live: LiveSeries): void {
    if (!isOfGpu(live)) return
    const key = gpuKey(gpuTags((name) => live.series.tag(name)))
    if (this.#gpus.get(key)?.remove(live)) this.#gpus.delete(key)
    this.#version++
  }
}

function isOfGpu({ series: { measurement } }: LiveSeries): boolean {
  return measurement === 'gpu' || measurement === 'gpu_info'
}
