import type { Refusal } from '../sample/border.ts'
import type { Tag } from '../sample/value.ts'
import { parseLabels, writeLabels } from './labels-raw.ts'

export const HOST_LABELS = ['Hostname', 'hostname', 'host'] as const

/** What names a GPU for years: the tags of `gpu` and `gpu_info`, and the labels that say them, the best first. */
const TAGS = {
  host: HOST_LABELS,
  uuid: ['UUID', 'uuid', 'gpu_uuid', 'device_id'],
  gpu: ['gpu', 'gpu_id'],
  model: ['modelName', 'model_name', 'model'],
  mig: ['GPU_I_ID'],
} as const

/** What changes while the GPU stays: fields of `gpu_info`. A tag for it would make new series with each job. */
const INFO: ReadonlyMap<string, string> = new Map([
  ...['pod', 'pod_name', 'exported_pod'].map((label) => [label, 'pod'] as const),
  ...['namespace', 'pod_namespace', 'exported_namespace'].map((label) => [label, 'namespace'] as const),
  ...['container', 'container_name', 'exported_container'].map((label) => [label, 'container'] as const),
  ...['DCGM_FI_DRIVER_VERSION', 'DCGM_FI_SYSTEM_DRIVER_VERSION', 'driver_version'].map(
    (label) => [label, 'driver_version'] as const,
  ),
  ['GPU_I_PROFILE', 'mig_profile'],
])

/** Readings of one metric, GPU and time that differ in one of these are of different parts: each has a field of its own. */
const PARTS = ['nvlink', 'xid', 'clock_event', 'health_watch'] as const

/** They follow from the metric or from its value, and are different in each of the readings of one GPU. */
const OF_THE_METRIC = new Set<string>([
  ...['__name__', 'err_code', 'err_msg', 'window_size_in_ms', 'health_error_code'],
  ...PARTS,
])

const OF_TAGS = new Set<string>([...Object.keys(TAGS), ...Object.values(TAGS).flat()])

/** So many texts of a GPU are kept, beside those that have a name here. */
const MAX_INFO = 64

/** What the labels of a reading say. */
export interface Identity {
  /** Of the GPU, and of its part of a MIG. */
  readonly tags: Tag[]
  /** Texts that tell of the GPU, by field. */
  readonly info: ReadonlyMap<string, string>
  /** Which part of the GPU, as the end of a field's name; '' for all of it. */
  readonly part: string
}

export interface IdentityOptions {
  /** The host of a reading that has no label for it. */
  readonly host?: string | undefined
  /** Labels that become tags too. */
  readonly tagLabels?: readonly string[] | undefined
}

/** @returns `no_gpu` where nothing says which GPU it is */
export function identityOf(
  labels: ReadonlyMap<string, string>,
  { host = '', tagLabels = [] }: IdentityOptions,
): Identity | Refusal {
  const rawText = labels.get('labels_raw') ?? ''
  const { labels: raw, isWhole } = parseLabels(rawText)
  const said = (label: string): string => labels.get(label) || raw.get(label) || ''
  const first = (of: readonly string[]): string => of.map(said).find((value) => value !== '') ?? ''
  const [uuid, gpu] = [first(TAGS.uuid), first(TAGS.gpu)]
  if (uuid === '' && gpu === '') return { reason: 'no_gpu', detail: 'no uuid, no device_id and no index of a GPU' }
  const tags: Tag[] = [
    ['host', first(TAGS.host) || host],
    ['uuid', uuid],
    ['gpu', gpu],
    ['model', first(TAGS.model)],
    ['mig', first(TAGS.mig)],
    ...tagLabels.map((label) => [label, said(label)] as const),
  ]
  return {
    tags: tags.filter(([, value]) => value !== ''),
    info: infoOf(labels, raw, tagLabels, isWhole ? undefined : rawText),
    part: PARTS.map((label) => (said(label) === '' ? '' : `_${label}_${said(label)}`)).join(''),
  }
}

function infoOf(
  labels: ReadonlyMap<string, string>,
  raw: ReadonlyMap<string, string>,
  tagLabels: readonly string[],
  unreadable: string | undefined,
): Map<string, string> {
  const info = new Map<string, string>()
  const put = (label: string, value: string): void => {
    if (value === '' || OF_THE_METRIC.has(label) || tagLabels.includes(label)) return
    if (label === 'labels_raw' || (OF_TAGS.has(label) && label !== 'device_id')) return
    const field = INFO.get(label) ?? label
    if (!info.has(field) && (info.size < MAX_INFO || INFO.has(label))) info.set(field, value)
  }
  for (const [label, value] of labels) put(label, value)
  for (const label of [...INFO.keys(), 'device_id', 'device', 'pci_bus_id']) put(label, raw.get(label) ?? '')
  const rest = [...raw].filter(([label, value]) => !OF_THE_METRIC.has(label) && value !== '')
  const text = unreadable ?? writeLabels(rest)
  if (text !== '') info.set('labels_raw', text)
  return info
}
