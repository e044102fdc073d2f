import { join } from 'node:path'
import type { Broker, CheckpointStore } from '../../internal/broker/broker.ts'
import { type DeadLetters, openDeadLetters } from '../../internal/dead-letters/dead-letters.ts'
import { CheckpointFile } from '../../internal/ingest/loss/checkpoint-file.ts'
import type { PipelineOptions } from '../../internal/ingest/pipeline.ts'
import { openSegmentLog } from '../../internal/spool/segment-log.ts'
import { openDataFolder } from '../parts/data-folder.ts'
import type { Context } from '../program/context.ts'

/** What a server keeps on disk. */
export interface ServerStorage {
  readonly deadLetters: DeadLetters
  /** Undefined over streams: Redis keeps what is not acked. The pipeline closes it. */
  readonly spool: PipelineOptions['spool']
  /** How far each run is counted, and how far the streams were; undefined in one process. */
  readonly checkpoints: CheckpointStore | undefined
  /** Only over streams. */
  readonly positions: CheckpointStore | undefined
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
  // Not in Redis: what is to be noticed is that Redis has lost its data.
  const inFile = (name: string): CheckpointStore => new CheckpointFile(join(folder, name))
  if (broker.kind === 'streams') {
    const [checkpoints, positions] = [inFile('runs.json'), inFile('streams.json')]
    return { deadLetters, spool: undefined, checkpoints, positions }
  }
  const { maxBytes, whenFull } = settings.spool
  const log = await openSegmentLog({ folder: join(folder, 'spool'), maxBytes, logger })
  readiness.push(() => log.problem)
  const { checkpoints } = broker
  return { deadLetters, spool: { log, maxBytes, whenFull }, checkpoints, positions: undefined }
}
