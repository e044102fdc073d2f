import type { Broker } from '../../internal/broker/broker.ts'
import { openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'
import { openGpuCsv } from './gpu-csv.ts'
import { gpuParts } from './gpu-parts.ts'
import { openNvidiaSmi } from './nvidia-smi.ts'

/** Runs files of readings, and `nvidia-smi`, → samples → broker, over one publisher of their own. */
export async function openGpuSources(context: Context, broker: Broker): Promise<void> {
  const { settings, releaser, summary } = context
  if (settings.gpu.csv.length === 0 && !settings.gpu.nvidiaSmi) return
  // What is undone last: how far files are read is known when the publisher has said what became of all rows.
  let close = async (): Promise<void> => {}
  releaser.push('positions of gpu-csv', () => close())
  const opened = await openPublisher(context, broker, 'gpu')
  const { publisher, ledger } = opened
  summary.push(() => ({
    gpu_produced: ledger.produced,
    gpu_taken_over: ledger.takenOver,
    gpu_sent: ledger.sent,
    gpu_dropped: ledger.dropped,
    gpu_held: publisher.held,
  }))
  if (settings.gpu.csv.length > 0) close = await openGpuCsv(context, gpuParts(context, opened, 'gpu-csv'))
  if (settings.gpu.nvidiaSmi) openNvidiaSmi(context, gpuParts(context, opened, 'nvidia-smi'))
}
