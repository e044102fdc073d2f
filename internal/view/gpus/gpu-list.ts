import type { OfStore } from '../known-of-store.ts'
import type { LiveGpu } from './gpu.ts'
import type { GpusView } from './gpus-view.ts'
import { type GpuIdentity, isUnique } from './identity.ts'
import type { StoredGpu } from './known-gpus.ts'

/** A GPU of a list: live, or only stored. */
export interface ListedGpu {
  readonly key: string
  readonly live: LiveGpu | undefined
  readonly stored: StoredGpu | undefined
}

/** What names GPUs in a request. */
export interface AskedGpu {
  /** A uuid, a device id, or with the host the index of a GPU. */
  readonly id: string
  readonly hostname?: string | undefined
  readonly mig?: string | undefined
}

const collator = new Intl.Collator('en', { numeric: true })

/** The live GPUs and those of the store, each once, by host, index and uuid. */
export class GpuList {
  readonly #view: GpusView
  #made: { readonly version: number; readonly of: OfStore<StoredGpu>; readonly gpus: readonly ListedGpu[] } | undefined
  #counts: { readonly of: readonly ListedGpu[]; readonly byHost: ReadonlyMap<string, number> } | undefined

  constructor(view: GpusView) {
    this.#view = view
  }

  all(stored: OfStore<StoredGpu>): readonly ListedGpu[] {
    const { version } = this.#view
    if (this.#made?.version !== version || this.#made.of !== stored) {
      this.#made = { version, of: stored, gpus: this.#join(stored) }
    }
    return this.#made.gpus
  }

  /** How many GPUs each host has. */
  counts(stored: OfStore<StoredGpu>): ReadonlyMap<string, number> {
    const of = this.all(stored)
    if (this.#counts?.of !== of) {
      const byHost = new Map<string, number>()
      for (const gpu of of) {
        const { host } = identityOfListed(gpu)
        byHost.set(host, (byHost.get(host) ?? 0) + 1)
      }
      this.#counts = { of, byHost }
    }
    return this.#counts.byHost
  }

  /**
   * The GPUs that have an id: by uuid, or else by device id, or else by their index. Several are the parts of one, or GPUs of several hosts. Of
   * a host whose GPU was replaced it is the one that came last.
   */
  named({ id, hostname, mig }: AskedGpu, stored: OfStore<StoredGpu>): GpuIdentity[] {
    const isNear = ({ host, mig: part }: GpuIdentity): boolean =>
      (hostname === undefined || host === hostname) && (mig === undefined || part === mig)
    const ways = [
      ({ uuid }: GpuIdentity) => uuid === id,
      ({ deviceId }: GpuIdentity) => deviceId === id,
      ({ gpu }: GpuIdentity) => gpu === id,
    ]
    for (const isIt of ways) {
      const found = this.all(stored).filter((gpu) => {
        const identity = identityOfListed(gpu)
        return isIt(identity) && isNear(identity)
      })
      if (found.length === 0) continue
      const newestFirst = found.sort((a, b) => seenAt(b) - seenAt(a)).map(identityOfListed)
      const newest = new Map(newestFirst.toReversed().map(({ host, uuid }) => [host, uuid]))
      return newestFirst.filter(({ host, uuid }) => newest.get(host) === uuid)
    }
    return []
  }

  #join({ found }: OfStore<StoredGpu>): ListedGpu[] {
    const gpus: ListedGpu[] = []
    for (const live of this.#view.all()) gpus.push({ key: live.key, live, stored: found.get(live.key) })
    for (const [key, stored] of found)
      if (this.#view.get(key) === undefined) gpus.push({ key, live: undefined, stored })
    const names = new Map(gpus.map((gpu) => [gpu, identityOfListed(gpu)]))
    return gpus.sort((a, b) => byName(names.get(a)!, names.get(b)!))
  }
}

export function identityOfListed({ live, stored }: ListedGpu): GpuIdentity {
  if (live === undefined) return stored!
  const { identity } = live
  if (stored === undefined || live.hasTexts) return identity
  // Its texts came before this API was started.
  const { deviceId, pod, namespace, container } = stored
  return { ...identity, deviceId, pod, namespace, container }
}

/** By which the newest of several is found: what is live came after all that is only stored. */
function seenAt({ live, stored }: ListedGpu): number {
  return live === undefined ? stored!.lastSeenAt : Number.MAX_SAFE_INTEGER - live.ageMs
}

/** The hosts between which an id does not decide; empty where it names one GPU, or the parts of one. */
export function hostsToChooseFrom(found: readonly GpuIdentity[], id: string): string[] {
  const hosts = [...new Set(found.map(({ host }) => host))]
  const isOne = hosts.length < 2 || found.every(({ uuid }) => uuid === id && isUnique(uuid))
  return isOne ? [] : hosts.sort((a, b) => collator.compare(a, b))
}

/** The tags that samples of found GPUs have, and no others: of one GPU, of its parts, or of a GPU that was in several hosts. */
export function tagsOfFound(found: readonly GpuIdentity[], { hostname, mig }: AskedGpu): Record<string, string> {
  const [{ uuid, host, gpu }] = found as [GpuIdentity]
  const part: Record<string, string> = mig === undefined ? {} : { mig }
  if (uuid === '') return { host, gpu, uuid: '', ...part }
  return { uuid, ...(isUnique(uuid) && hostname === undefined ? {} : { host }), ...part }
}

function byName(a: GpuIdentity, b: GpuIdentity): number {
  return (
    collator.compare(a.host, b.host) ||
    collator.compare(a.gpu, b.gpu) ||
    collator.compare(a.uuid, b.uuid) ||
    collator.compare(a.mig, b.mig) ||
    (a.key < b.key ? -1 : 1)
  )
}
