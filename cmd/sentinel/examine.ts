import type { LoadedSettings } from '../../internal/config/load.ts'
import { hasDuty } from '../../internal/config/role.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { createHostSource } from '../../internal/source/host/source.ts'
import { StoreError, type StoreReader, type StoreWriter } from '../../internal/store/store.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { connectBroker } from '../parts/broker.ts'
import { connectStore } from '../parts/store.ts'
import type { Context } from '../program/context.ts'
import { quietContext } from '../program/quiet-context.ts'
import type { Finding } from './finding.ts'
import { findRunning } from './running.ts'

const TIMEOUT_MS = 15_000
/** Two CPU readings have to be apart. */
const BETWEEN_READINGS_MS = 100
const LOOKED_BACK_US = 3_600e6

type Verdict = Omit<Finding, 'part'>
const well = (words: string): Verdict => ({ well: true, words })
const ill = (words: string): Verdict => ({ well: false, words })

/**
 * Tries the parts that a role uses, one after the other, then asks the processes that run; each finding comes as soon as it is
 * there.
 */
export async function* examine(loaded: LoadedSettings): AsyncGenerator<Finding> {
  const { role } = loaded
  if (hasDuty(role, 'measure')) yield { part: 'host', ...(await checkHost(loaded)) }
  yield { part: 'broker', ...(await checkBroker(loaded)) }
  if (hasDuty(role, 'ingest', 'serve')) yield { part: 'store', ...(await checkStore(loaded)) }
  yield* findRunning(loaded)
}

async function checkHost({ settings }: LoadedSettings): Promise<Verdict> {
  const { host, include, procRoot, sysRoot, mountRoot } = settings.agent
  const problems: string[] = []
  const source = createHostSource({
    ...{ host, include, procRoot, sysRoot, mountRoot, table: new SeriesTable() },
    onProblem: ({ part, message }) => problems.push(`${part}: ${message}`),
  })
  const measured = new Set<string>()
  await new Promise((resolve) => setTimeout(resolve, BETWEEN_READINGS_MS))
  // It rejects where nothing at all can be read, and the problems say why.
  await source.collect(Date.now() * 1000, (sample) => measured.add(sample.series.measurement)).catch(() => {})
  await source.close()
  const missing = include.filter((measurement) => !measured.has(measurement))
  const said = problems.length > 0 ? ` (${problems.join('; ')})` : ''
  return missing.length > 0
    ? ill(`${host} gives no ${missing.join(', ')}${said}`)
    : well(`${host} gives ${[...measured].join(', ')}${said}`)
}

async function checkBroker(loaded: LoadedSettings): Promise<Verdict> {
  const { kind } = loaded.settings.broker
  if (kind === 'memory') return well('memory, inside the process')
  const context = quietContext(loaded)
  try {
    const broker = await connectBroker(context)
    const { connected, problem } = broker.health()
    if (!connected) return ill(problem)
    const announced = (await broker.live.recall()).length
    return well(
      `${kind} over Redis answers; ${announced > 0 ? `servers have announced ${announced} series` : 'no server has announced a series yet'}`,
    )
  } catch (error) {
    return ill(errorText(error))
  } finally {
    await context.releaser.release(TIMEOUT_MS)
  }
}

async function checkStore(loaded: LoadedSettings): Promise<Verdict> {
  const context = quietContext(loaded)
  try {
    const { writer, reader } = await connectStore(context)
    return await (hasDuty(loaded.role, 'ingest')
      ? writeAndReadBack(context, writer, reader)
      : readOnly(context, reader))
  } catch (error) {
    const isLocked = error instanceof StoreError && error.kind === 'away' && loaded.settings.store.kind === 'duckdb'
    if (isLocked) return askRunning(loaded, error)
    if (error instanceof StoreError && error.kind === 'away') {
      return ill(`${error.message}; is it running, and is INFLUX_URL right?`)
    }
    return ill(errorText(error))
  } finally {
    await context.releaser.release(TIMEOUT_MS)
  }
}

/** An api never writes, so its token need not allow it. */
async function readOnly({ settings, clock }: Context, reader: StoreReader): Promise<Verdict> {
  const hosts = await reader.hosts(clock.now() - LOOKED_BACK_US, AbortSignal.timeout(TIMEOUT_MS))
  return well(`${settings.store.kind} answers; hosts that wrote to it within the hour: ${hosts.length}`)
}

/** One sample of the measurement `sentinel_doctor`, there and back. */
async function writeAndReadBack(context: Context, writer: StoreWriter, reader: StoreReader): Promise<Verdict> {
  const { settings, clock } = context
  const { host } = settings.agent
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const problem = await writer.check(signal)
  if (problem !== '') return ill(problem)

  const at = clock.now()
  const batch = writer.openBatch()
  const refusal = batch.add(doctorSample(host, at))
  if (refusal !== undefined) return ill(refusal === 'full' ? 'not one sample fits into a batch' : refusal.detail)
  const result = await writer.write(batch, signal)
  batch.release()
  if (result.next !== 'ack') return ill(result.problem)
  if (result.rejected[0] !== undefined) return ill(`it refuses the sample: ${result.rejected[0].refusal.detail}`)

  const around = { startUs: at - 1_000_000, endUs: at + 1_000_000, everyUs: 1_000_000 }
  const query = { measurement: 'sentinel_doctor', fields: ['value'], tags: { host }, aggregate: 'last' } as const
  const found = await reader.history({ ...query, ...around }, signal)
  if (found.length === 0) return ill('it took a sample, but does not give it back')
  return well(`${settings.store.kind} took a sample and gave it back`)
}

function doctorSample(host: string, at: number): Sample {
  const series = new SeriesTable().intern('sentinel_doctor', [['host', host]], at)
  if (isRefusal(series)) throw new Error(series.detail)
  series.field('value', 'float')
  return { series, values: [1], at, tie: 0 }
}

/** The file of DuckDB belongs to the process that runs: that one is asked how it is. */
async function askRunning({ settings }: LoadedSettings, locked: StoreError): Promise<Verdict> {
  const { host, port } = settings.admin
  try {
    const response = await fetch(`http://${host}:${port}/ready`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    const { ready, reasons } = (await response.json()) as { ready: boolean; reasons: string[] }
    return ready
      ? well(`the running process on port ${port} has ${settings.duckdb.path} and is ready`)
      : ill(`the running process on port ${port} is not ready: ${reasons.join('; ')}`)
  } catch {
    return ill(locked.message)
  }
}
