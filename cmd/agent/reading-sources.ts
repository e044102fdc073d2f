import type { Broker } from '../../internal/broker/broker.ts'
import type { Context } from '../program/context.ts'
import { openScraping } from './scraping.ts'
import type { SourceLetters } from './source-letters.ts'

/** The dead letters of the agent, which the first of its sources opens that may have to refuse what it reads. */
export function lettersOf(context: Context): () => Promise<SourceLetters> {
  // Read when they are opened.
  context.onReload(['deadLetters'])
  let opened: Promise<SourceLetters> | undefined
  return () => {
    opened ??= import('./source-letters.ts').then(({ openSourceLetters }) => openSourceLetters(context))
    return opened
  }
}

/** Opens the sources that may have to refuse what they read: targets that are scraped, files of readings, `nvidia-smi`. */
export async function openReadingSources(
  context: Context,
  broker: Broker,
  letters: () => Promise<SourceLetters>,
): Promise<void> {
  const { gpu } = context.settings
  await openScraping(context, broker, letters)
  if (gpu.csv.length > 0 || gpu.nvidiaSmi)
    await (await import('./gpu.ts')).openGpuSources(context, broker, await letters())
}
