import type { GpuTexts } from '../shared/api.ts'

/** A GPU with its figures of now. */
export interface Gpu extends GpuTexts {
  /** Names it in links, on any stream. */
  readonly key: string
  readonly host: string
  readonly isStale: boolean
  /** Of a stale one when its last figures arrived, ms by the clock of the server; null where it is fresh, or that is unknown. */
  readonly seenAtMs: number | null
  /** By field; null where unknown. */
  readonly figures: Readonly<Record<string, number | null>>
}

/** A name that stays: an index repeats on every host, and an exporter may know no uuid. */
export function keyOf({ uuid, gpu_id, hostname, mig }: GpuTexts): string {
  const part = mig === null ? '' : `/${mig}`
  return `${hostname ?? ''}/${uuid ?? gpu_id ?? ''}${part}`
}

/** A GPU of which the API tells nothing now, by its key. Its uuid stands for an index too, as in paths of the API. */
export function gpuOfKey(key: string): Gpu {
  const [host = '', id = '', mig = null] = key.split('/')
  return {
    ...{ n: -1, uuid: id, gpu_id: null, model_name: null, hostname: host === '' ? null : host, mig },
    ...{ pod: null, namespace: null, key, host, isStale: true, seenAtMs: null, figures: {} },
  }
}

/** `GPU 3`, `GPU 3 part 2`: as it is called on its host. */
export function nameOf({ gpu_id, uuid, mig }: GpuTexts): string {
  const part = mig === null ? '' : ` part ${mig}`
  return `GPU ${gpu_id ?? uuid ?? ''}${part}`
}

/** How a path of the API names it, and what makes that name its own. */
export function resourceOf({ uuid, gpu_id, hostname, mig }: GpuTexts): {
  readonly id: string
  readonly narrowed: Readonly<Record<string, string>>
} {
  return {
    id: uuid ?? gpu_id ?? '',
    narrowed: { ...(hostname === null ? {} : { hostname }), ...(mig === null ? {} : { mig }) },
  }
}

/** Whether it is one of those that a reader looks for, by its host, model, uuid or what runs on it. */
export function matches(gpu: Gpu, filter: string): boolean {
  const wanted = filter.trim().toLowerCase()
  const texts = [gpu.hostname, gpu.uuid, gpu.model_name, gpu.pod, gpu.namespace, nameOf(gpu)]
  return wanted === '' || texts.some((text) => text?.toLowerCase().includes(wanted))
}
