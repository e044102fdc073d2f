import { countOf } from '../../internal/text/count.ts'
import { seenText } from '../shared/times.ts'
import type { Gpu } from './gpu.ts'
import { hasXid } from './gpu-cells.ts'
import { GPU_METRICS, gpuText } from './gpu-metrics.ts'

/** The words under the name of the view: how many GPUs the map shows, of how many hosts, and how old their figures are. */
export function fleetFacts(
  gpus: readonly Gpu[],
  shown: readonly Gpu[],
  { newestAtMs, nowMs, isStale }: { readonly newestAtMs: number; readonly nowMs: number; readonly isStale: boolean },
): string {
  if (gpus.length === 0) return ''
  const hosts = new Set(shown.map(({ host }) => host)).size
  const stale = shown.filter((gpu) => gpu.isStale).length
  const withXid = shown.filter(hasXid).length
  return [
    `${shown.length === gpus.length ? '' : `${shown.length} of `}${countOf(gpus.length, 'GPU')}`,
    countOf(hosts, 'host'),
    ...(stale === 0 ? [] : [`${stale} stale`]),
    ...(withXid === 0 ? [] : [`${withXid} with an Xid`]),
    ...(newestAtMs === 0 ? [] : [seenText(nowMs - newestAtMs, isStale)]),
  ].join(' · ')
}

/** What stands beside a cell, a line each: its figures, or how old they are; what runs on it, and its Xid. */
export function tipText(gpu: Gpu, nowMs: number): string {
  const { isStale, seenAtMs, figures, pod } = gpu
  const values = GPU_METRICS.map((metric) => `${metric.title.toLowerCase()} ${gpuText(gpu, metric)}`)
  const age = seenAtMs === null ? 'stale' : seenText(nowMs - seenAtMs, true)
  const running = pod === null ? [] : [pod]
  return [...(isStale ? [age] : values), ...running, ...(hasXid(gpu) ? [`Xid ${figures.xid}`] : [])].join('\n')
}
