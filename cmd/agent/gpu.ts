import type { Broker } from '../../internal/broker/broker.ts'
import { OUTBOX, openPublisher } from '../parts/publisher.ts'
import type { Context } from '../program/context.ts'
import { openGpuCsv } from './gpu-csv.ts'
import { gpuParts } from './gpu-parts.ts'
import { openNvidiaSmi } from './nvidia-smi.ts'
import type { SourceLetters } from './source-letters.ts'

/** Runs files of readings, and `nvidia-smi`, → samples → broker, over one publisher of their own. */
export async function openGpuSources(context: Context, broker: Broker, letters: SourceLetters): Promise<void> {
  const { settings, summary } = context
  // How far files are read is known when the publisher has said what became of all rows.
  let close = async (): Promise<void> => {}
  const opened = await openPublisher(context, broker, 'gpu', { ...OUTBOX, afterStop: () => close() })
  const { publisher, ledger } = opened
  summary.push(() => ({
    gpu_produced: ledger.produced,
    gpu_taken_over: ledger.takenOver,
    gpu_sent: ledger.sent,
    gpu_dropped: ledger.dropped,
    gpu_held: publisher.held,
  }))
  if (settings.gpu.csv.length > 0)
    close = await openGpuCsv(context, gpuParts(context, opened, letters, 'gpu-csv'), letters)
  if (settings.gpu.nvidiaSmi) openNvidiaSmi(context, gpuParts(context, opened, letters, 'nvidia-smi'))
}
