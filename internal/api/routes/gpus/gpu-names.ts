import { NotFoundError, OverloadError, ParameterError } from '../../../http/errors.ts'
import { cleanText } from '../../../sample/border.ts'
import type { GpuIdentity } from '../../../view/gpus/identity.ts'
import { type AskedGpu, type GpuList, hostsToChooseFrom, tagsOfFound } from '../../../view/gpus/gpu-list.ts'
import type { KnownGpus } from '../../../view/gpus/known-gpus.ts'

/** How old the list of the store may be by which a GPU is not known, µs. */
const SOON_US = 1e6

/** A GPU that a request names. */
export interface FoundGpu {
  /** As it was asked for. */
  readonly id: string
  /** The tags of its samples. */
  readonly tags: Readonly<Record<string, string>>
  readonly identity: GpuIdentity
}

/** Finds the GPU that the path of a request names. */
export class GpuNames {
  readonly #list: GpuList
  readonly #known: KnownGpus

  constructor(list: GpuList, known: KnownGpus) {
    this.#list = list
    this.#known = known
  }

  /**
   * @throws NotFoundError; ParameterError where GPUs of several hosts have the id; StoreError or OverloadError while nobody knows what is
   *   stored
   */
  async find(asked: AskedGpu): Promise<FoundGpu> {
    const clean: AskedGpu = {
      id: cleanText(asked.id),
      hostname: asked.hostname === undefined ? undefined : cleanText(asked.hostname),
      mig: asked.mig === undefined ? undefined : cleanText(asked.mig),
    }
    let stored = this.#known.last
    let found = stored.complete ? this.#list.named(clean, stored) : []
    if (found.length === 0) {
      // Its first sample may just have been stored.
      stored = await this.#known.get(SOON_US)
      found = this.#list.named(clean, stored)
    }
    if (found.length === 0) {
      if (stored.failure !== undefined) throw stored.failure
      if (!stored.complete) throw new OverloadError('the GPUs of the store are still being listed')
      throw new NotFoundError(`no sample of a GPU ${JSON.stringify(clean.id)}${onHost(clean)} is kept`)
    }
    const hosts = hostsToChooseFrom(found, clean.id)
    if (hosts.length > 1) {
      const some = hosts.slice(0, 10).map((host) => JSON.stringify(host))
      throw new ParameterError(
        'hostname',
        `${hosts.length} hosts have such a GPU: add hostname=, such as ${some.join(', ')}`,
      )
    }
    return { id: clean.id, tags: tagsOfFound(found, clean), identity: found[0]! }
  }

  /** How many GPUs a host has. */
  async countOf(host: string): Promise<number> {
    return this.#list.counts(await this.#known.get()).get(host) ?? 0
  }
}

function onHost({ hostname, mig }: AskedGpu): string {
  return `${hostname === undefined ? '' : ` of host ${JSON.stringify(hostname)}`}${mig === undefined ? '' : `, part ${JSON.stringify(mig)}`}`
}
