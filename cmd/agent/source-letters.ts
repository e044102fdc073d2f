import { join } from 'node:path'
import { type DeadLetter, openDeadLetters } from '../../internal/dead-letters/dead-letters.ts'
import { dataFolder } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'

/** Keeps what the sources of an agent refuse. */
export interface SourceLetters {
  readonly keep: (letter: Omit<DeadLetter, 'at'>) => void
  /** Resolves when all letters so far have reached the file system, or could not be written. */
  readonly written: () => Promise<void>
}

/** Opens the dead letters of the agent, beside its outbox, whose lock says that the agent runs. */
export async function openSourceLetters(context: Context): Promise<SourceLetters> {
  const { settings, onReload, logger, clock, releaser, metrics } = context
  const letters = await openDeadLetters({
    folder: join(dataFolder(settings, 'agent'), 'dead-letters'),
    maxBytes: settings.deadLetters.maxBytes,
    logger,
  })
  onReload(['deadLetters'], ({ deadLetters }) => letters.setMaxBytes(deadLetters.maxBytes))
  releaser.push('dead letters of sources', () => letters.close())
  metrics.counter({
    name: 'sentinel_source_dead_letters_total',
    help: 'Dead letters written since the start of what sources refused.',
    read: () => letters.kept,
  })
  metrics.counter({
    name: 'sentinel_source_discarded_dead_letters_total',
    help: 'Dead letters of sources that could not be kept, or were removed to make room for others.',
    read: () => letters.discarded,
  })
  return {
    keep: (letter) => letters.add({ at: Math.floor(clock.now() / 1000), ...letter }),
    written: () => letters.written(),
  }
}
