import type { SeriesFilter } from '../../live/feed-filter.ts'
import type { LiveSeries } from '../../live/live-series.ts'
import type { GpusView } from './gpus-view.ts'
import { gpuKey, gpuTags } from './identity.ts'

/** Lets through the series of some GPUs, by uuid or device id, or of one host by their index. */
export class GpuFilter implements SeriesFilter {
  readonly key: string
  readonly #view: GpusView
  readonly #ids: ReadonlySet<string>
  readonly #hostname: string | undefined

  constructor(view: GpusView, ids: Iterable<string>, hostname: string | undefined) {
    this.#view = view
    this.#ids = new Set(ids)
    this.#hostname = hostname
    this.key = JSON.stringify([[...this.#ids].sort(), hostname ?? null])
  }

  passes({ series }: LiveSeries): boolean {
    if (series.measurement !== 'gpu' && series.measurement !== 'gpu_info') return false
    const tags = gpuTags((key) => series.tag(key))
    if (this.#hostname !== undefined && tags.host !== this.#hostname) return false
    if (this.#ids.has(tags.uuid) || (this.#hostname !== undefined && this.#ids.has(tags.gpu))) return true
    // Only its texts say it, which may come later.
    const deviceId = this.#view.get(gpuKey(tags))?.identity.deviceId
    return deviceId !== undefined && deviceId !== null && this.#ids.has(deviceId)
  }
}
