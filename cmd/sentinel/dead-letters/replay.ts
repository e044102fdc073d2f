import { stat } from 'node:fs/promises'
import { ConfigError } from '../../../internal/config/error.ts'
import type { LoadedSettings } from '../../../internal/config/load.ts'
import { markDone, type StoredLetter } from '../../../internal/dead-letters/reader.ts'
import { LetterReplay } from '../../../internal/dead-letters/replay.ts'
import { StoreError, type StoreWriter } from '../../../internal/store/store.ts'
import { errorText } from '../../../internal/text/error-text.ts'
import { connectStore } from '../../parts/store.ts'
import type { Context } from '../../program/context.ts'
import { quietContext } from '../../program/quiet-context.ts'
import { Progress, print } from '../output.ts'
import { idOf, safeJson, shown } from './text.ts'

const CLOSE_TIMEOUT_MS = 15_000
const CHECK_TIMEOUT_MS = 15_000

/**
 * Writes the letters to the store that the settings name, marks those that the store accepts as done, and prints the
 * outcome. The exit code is 1 when some are refused again.
 *
 * @throws when the store cannot be written to; the letters that it accepted before stay done
 */
export async function replay(
  loaded: LoadedSettings,
  letters: AsyncIterable<StoredLetter>,
  { json = false }: { readonly json?: boolean },
): Promise<void> {
  const context = quietContext(loaded)
  try {
    const writer = await openStore(context)
    const { stored, samples, refused } = await replayInto(writer, context, letters, json)
    const refusedCount = [...refused.values()].reduce((sum, { letters: count }) => sum + count, 0)
    if (!json) {
      await print(`letters stored: ${stored}, their samples: ${samples}, letters refused again: ${refusedCount}\n`)
      for (const [reason, { letters: count, detail }] of refused) {
        await print(`  ${shown(reason)}: ${count}, for example: ${shown(detail)}\n`)
      }
    }
    if (refusedCount > 0) process.exitCode = 1
  } finally {
    await context.releaser.release(CLOSE_TIMEOUT_MS)
  }
}

interface Outcome {
  readonly stored: number
  readonly samples: number
  /** The refused letters by reason, with the detail of the first. */
  readonly refused: ReadonlyMap<string, { letters: number; readonly detail: string }>
}

async function replayInto(
  writer: StoreWriter,
  { settings, clock }: Context,
  letters: AsyncIterable<StoredLetter>,
  json: boolean,
): Promise<Outcome> {
  const { maxAgeMs, maxFutureMs, maxSeries } = settings.ingest
  const progress = new Progress()
  const refused = new Map<string, { letters: number; readonly detail: string }>()
  const lines: string[] = []
  let stored = 0
  const work = new LetterReplay({
    ...{ writer, clock, maxSeries, signal: new AbortController().signal },
    timeWindow: { maxAgeUs: maxAgeMs * 1000, maxFutureUs: maxFutureMs * 1000 },
    onStored: async (done) => {
      await markDone(done)
      stored += done.length
      if (json) for (const letter of done) lines.push(safeJson({ id: idOf(letter), outcome: 'stored' }))
    },
    onRefused: (letter, { reason, detail }) => {
      const known = refused.get(reason)
      if (known === undefined) refused.set(reason, { letters: 1, detail })
      else known.letters++
      if (json) lines.push(safeJson({ id: idOf(letter), outcome: 'refused', reason, detail }))
    },
  })
  const printLines = async (): Promise<void> => {
    if (lines.length > 0) await print(`${lines.splice(0).join('\n')}\n`)
  }
  try {
    for await (const letter of letters) {
      await work.add(letter)
      await printLines()
      progress.show(() => `letters stored: ${stored}`)
    }
    await work.finish()
    await printLines()
  } finally {
    progress.end()
  }
  return { stored, samples: work.samples, refused }
}

/** @throws ConfigError when the DuckDB file does not exist: the command then has other settings than the server */
async function openStore(context: Context): Promise<StoreWriter> {
  const { store, duckdb, influx } = context.settings
  if (store.kind === 'duckdb') {
    await stat(duckdb.path).catch(() => {
      throw new ConfigError([
        `duckdb.path: ${duckdb.path} does not exist; for a server that writes to InfluxDB, set --influx-url or INFLUX_URL as for the server`,
      ])
    })
  }
  try {
    const { writer } = await connectStore(context)
    const problem = await writer.check(AbortSignal.timeout(CHECK_TIMEOUT_MS))
    if (problem !== '') throw new Error(problem)
    return writer
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'away' && store.kind === 'duckdb') {
      const advice = 'to replay into it, stop "sentinel up" and start it again afterwards'
      throw new Error(`nothing is replayed: ${error.message}; ${advice}`, { cause: error })
    }
    const where = store.kind === 'influx' ? new URL(influx.url ?? '').host : duckdb.path
    throw new Error(`nothing is replayed, ${where} accepts no writes: ${errorText(error)}`, { cause: error })
  }
}
