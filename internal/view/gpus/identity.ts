/** What names a GPU: the tags of `gpu` and `gpu_info`. A tag that its source does not give is ''. */
export interface GpuTags {
  readonly host: string
  readonly uuid: string
  readonly gpu: string
  readonly model: string
  /** Of a part of a GPU that is used as one. */
  readonly mig: string
}

export function gpuTags(tag: (key: string) => string | undefined): GpuTags {
  const of = (key: string): string => tag(key) ?? ''
  return { host: of('host'), uuid: of('uuid'), gpu: of('gpu'), model: of('model'), mig: of('mig') }
}

/**
 * Equal for samples of the same GPU. The host is a part of it, because a source without UUIDs calls the first GPU of every host `nvidia0`. The
 * model is none: another source of the same GPU may not say it.
 */
export function gpuKey({ host, uuid, gpu, mig }: GpuTags): string {
  return JSON.stringify([host, uuid === '' ? ['gpu', gpu] : uuid, mig])
}

/** Names that are given once in the world: NVIDIA's, and UUIDs. */
const UNIQUE = /^(GPU|MIG)-|^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-/i

export function isUnique(uuid: string): boolean {
  return UNIQUE.test(uuid)
}

/** What is known of a GPU, whether it is live or only stored. */
export interface GpuIdentity extends GpuTags {
  readonly key: string
  readonly deviceId: string | null
  readonly pod: string | null
  readonly namespace: string | null
  readonly container: string | null
}

/** The texts of `gpu_info` that a GPU is known by. */
export function identityOf(tags: GpuTags, text: (field: string) => string | null): GpuIdentity {
  return {
    ...tags,
    key: gpuKey(tags),
    // A source that calls it `device` has no other name for it.
    deviceId: text('device_id') ?? text('device'),
    pod: text('pod'),
    namespace: text('namespace'),
    container: text('container'),
  }
}
