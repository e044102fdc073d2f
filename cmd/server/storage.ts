import { join } from 'node:path'
import type { Broker } from '../../internal/broker/broker.ts'
import { type DeadLetters, openDeadLetters } from '../../internal/dead-letters/dead-letters.ts'
import type { PipelineOptions } from '../../internal/ingest/pipeline.ts'
import { openSegmentLog } from '../../internal/spool/segment-log.ts'
import { openDataFolder } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'

/** What a server keeps on disk. */
export interface ServerStorage {
  readonly deadLetters: DeadLetters
  /** Undefined over streams: Redis keeps what is not acked. The pipeline closes it. */
  readonly spool: PipelineOptions['spool']
}

/** Opens the folder of a server. A full or failing disk does not keep it from starting: `/ready` says what is wrong. */
export async function openStorage(context: Context, broker: Broker): Promise<ServerStorage> {
  const { settings, onReload, logger, releaser, readiness } = context
  const folder = await openDataFolder(context, 'server')
  const deadLetters = await openDeadLetters({
    folder: join(folder, 'dead-letters'),
    maxBytes: settings.deadLetters.maxBytes,
    logger,
  })
  onReload(['deadLetters'], (changed) => deadLetters.setMaxBytes(changed.deadLetters.maxBytes))
  releaser.push('dead letters', () => deadLetters.close())
  readiness.push(() => deadLetters.problem)
  if (broker.kind === 'streams') return { deadLetters, spool: undefined }
  const { maxBytes, whenFull } = settings.spool
  const log = await openSegmentLog({ folder: join(folder, 'spool'), maxBytes, logger })
  readiness.push(() => log.problem)
  return { deadLetters, spool: { log, maxBytes, whenFull } }
}
