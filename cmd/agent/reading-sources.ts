import type { Broker } from '../../internal/broker/broker.ts'
import type { Context } from '../program/context.ts'
import { openSourceLetters } from './source-letters.ts'

/** Opens the sources that may have to refuse what they read: targets that are scraped, files of readings, `nvidia-smi`. */
export async function openReadingSources(context: Context, broker: Broker): Promise<void> {
  const { scrape, gpu } = context.settings
  const scrapes = scrape.targets.length > 0
  const readsGpus = gpu.csv.length > 0 || gpu.nvidiaSmi
  if (!scrapes && !readsGpus) return
  const letters = await openSourceLetters(context)
  if (scrapes) await (await import('./scrape.ts')).openScrapeSources(context, broker, letters)
  if (readsGpus) await (await import('./gpu.ts')).openGpuSources(context, broker, letters)
}
