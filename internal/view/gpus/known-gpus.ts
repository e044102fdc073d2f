import type { StoredRow, StoreReader } from '../../store/store.ts'
import { KnownOfStore, type KnownOfStoreOptions } from '../known-of-store.ts'
import { type GpuIdentity, gpuKey, gpuTags, identityOf } from './identity.ts'

/** A GPU of which samples are stored. */
export interface StoredGpu extends GpuIdentity {
  /** Time of its newest sample, µs. */
  readonly lastSeenAt: number
}

export interface KnownGpusOptions extends Omit<KnownOfStoreOptions<StoredGpu>, 'ask' | 'what'> {
  readonly reader: StoreReader
}

/** The GPUs of which the store keeps any sample, by their keys. */
export class KnownGpus extends KnownOfStore<StoredGpu> {
  constructor({ reader, ...options }: KnownGpusOptions) {
    super({
      ...{ ...options, what: 'the GPUs' },
      ask: async (_nowUs, signal) => {
        const figures = await reader.newest({ measurement: 'gpu', sinceUs: 0, values: false }, signal)
        const infos = await reader.newest({ measurement: 'gpu_info', sinceUs: 0, values: true }, signal)
        return together(figures, infos)
      },
    })
  }
}

function together(figures: readonly StoredRow[], infos: readonly StoredRow[]): Map<string, StoredGpu> {
  const info = new Map<string, StoredRow>()
  for (const row of infos) {
    const key = keyOf(row)
    if (row.at >= (info.get(key)?.at ?? -Infinity)) info.set(key, row)
  }
  const found = new Map<string, StoredGpu>()
  for (const row of [...figures, ...infos]) {
    const key = keyOf(row)
    const before = found.get(key)
    if (before !== undefined && before.lastSeenAt >= row.at) continue
    const tags = gpuTags((name) => row.tags[name])
    const of = { ...tags, model: tags.model || (before?.model ?? ''), gpu: tags.gpu || (before?.gpu ?? '') }
    found.set(key, { ...identityOf(of, (field) => textOf(info.get(key), field)), lastSeenAt: row.at })
  }
  return found
}

function keyOf({ tags }: StoredRow): string {
  return gpuKey(gpuTags((name) => tags[name]))
}

function textOf(row: StoredRow | undefined, field: string): string | null {
  const value = row?.values.get(field)
  return typeof value === 'string' ? value : null
}
