import { gpuResults } from '../../internal/gpu/readings.ts'
import { rowOf } from '../../internal/gpu/rows.ts'
import { hashBytes } from '../../internal/sample/hash.ts'
import { NvidiaSmiSource } from '../../internal/source/nvidia-smi/source.ts'
import type { Context } from '../program/context.ts'
import type { GpuParts } from './gpu-parts.ts'

/** Runs `nvidia-smi`, and sends what it says. */
export function openNvidiaSmi(context: Context, { publisher, readings, onRefused }: GpuParts): void {
  const { settings, clock, logger, throttle, releaser, metrics } = context
  const { nvidiaSmiPath: path, nvidiaSmiIntervalMs: intervalMs } = settings.gpu
  const source = new NvidiaSmiSource({
    ...{ path, intervalMs, readings, clock, logger, throttle },
    onRefused: (refusal, reading) => {
      const key = Buffer.from(`${refusal.reason} ${reading.metric} ${reading.labels.get('uuid')}`)
      onRefused(refusal, rowOf(reading, settings.agent.host), undefined, hashBytes(key, 0, key.length, 0))
    },
    flush: () => {
      readings.flush((sample) => publisher.add(sample))
      publisher.flush()
    },
  })
  metrics.gauge({
    name: 'sentinel_nvidia_smi_up',
    help: '1 while nvidia-smi gives readings.',
    read: () => (source.isUp ? 1 : 0),
  })
  metrics.counter({
    name: 'sentinel_nvidia_smi_starts_total',
    help: 'How often nvidia-smi was started.',
    read: () => source.starts,
  })
  metrics.counter({
    name: 'sentinel_nvidia_smi_readings_total',
    help: 'Figures that nvidia-smi gave, by what became of them.',
    label: 'result',
    read: () => gpuResults(readings.counts),
  })
  metrics.counter({
    name: 'sentinel_nvidia_smi_bad_lines_total',
    help: 'Lines of nvidia-smi that were no readings.',
    read: () => source.badLines,
  })
  const stop = new AbortController()
  const running = source.run(stop.signal)
  releaser.push('nvidia-smi', async () => {
    stop.abort()
    await running
  })
}
