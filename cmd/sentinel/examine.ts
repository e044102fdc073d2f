import type { LoadedSettings } from '../../internal/config/load.ts'
import { type Duty, hasDuty } from '../../internal/config/role.ts'
import { askText } from '../../internal/http/ask.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { HostSource } from '../../internal/source/host/source.ts'
import { LEFT_OUT_REASONS, type LeftOutReason } from '../../internal/source/left-out.ts'
import { StoreError, type StoreReader, type StoreWriter } from '../../internal/store/store.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import { dataFolderProblem } from '../parts/data-folder.ts'
import { connectStore } from '../parts/store.ts'
import type { Context } from '../program/context.ts'
import { quietContext } from '../program/quiet-context.ts'
import { checkGateway, checkQueueRedis } from './check-queue.ts'
import { adminTls, checkTls } from './check-tls.ts'
import { cutOffVerdict } from './cut-off.ts'
import type { Finding, Verdict } from './finding.ts'
import { checkGpuFiles } from './gpu-files.ts'
import { adminUrl, findRunning } from './running.ts'
import { checkScrapeTargets } from './scrape-targets.ts'
import { checkTargets } from './targets.ts'

const TIMEOUT_MS = 15_000
/** CPU usage needs two readings with some time between them. */
const BETWEEN_READINGS_MS = 100
/** How recently a host must have written to be counted: an hour. */
const LOOK_BACK_US = 3_600e6

/** Which role keeps data for a duty. */
const ROLE_OF_DUTY: Readonly<Partial<Record<Duty, string>>> = {
  measure: 'agent',
  ingest: 'server',
  serve: 'api',
  queue: 'queue',
}

const good = (text: string): Verdict => ({ ok: true, text })
const bad = (text: string): Verdict => ({ ok: false, text })

/**
 * Tries the parts that a role uses, one after the other, then asks the running processes. Yields each finding
 * immediately.
 */
export async function* examine(loaded: LoadedSettings): AsyncGenerator<Finding> {
  const { role, settings } = loaded
  yield* await checkTls(loaded)
  if (hasDuty(role, 'measure')) yield { part: 'host', ...(await checkHost(loaded)) }
  if (hasDuty(role, 'measure', 'ingest', 'serve')) yield { part: 'broker', ...(await checkBroker(loaded)) }
  if (hasDuty(role, 'queue')) yield { part: 'queue', ...(await checkQueueRedis(loaded)) }
  if (hasDuty(role, 'ingest', 'serve')) yield { part: 'store', ...(await checkStore(loaded)) }
  if (hasDuty(role, 'generate') && settings.generator.push !== undefined) {
    yield { part: 'intake', ...(await checkIntake(settings.generator.push)) }
  }
  if (hasDuty(role, 'measure')) {
    yield* [...(await checkTargets(loaded)), ...(await checkScrapeTargets(loaded)), ...(await checkGpuFiles(settings))]
  }
  for (const problem of await dataProblems(loaded)) yield { part: 'data', ...bad(problem) }
  yield* findRunning(loaded)
}

/** Each folder that a role of these settings could not keep anything in. */
async function dataProblems({ role, settings }: LoadedSettings): Promise<string[]> {
  const roles = role.duties.flatMap((duty) => ROLE_OF_DUTY[duty] ?? [])
  const problems = await Promise.all(roles.map((name) => dataFolderProblem(settings, name)))
  return problems.filter((problem) => problem !== '')
}

async function checkHost({ settings }: LoadedSettings): Promise<Verdict> {
  const { host, include, netExclude, procRoot, sysRoot, mountRoot } = settings.agent
  const problems: string[] = []
  const source = new HostSource({
    ...{ host, include, excludeInterfaces: netExclude, procRoot, sysRoot, mountRoot, table: new SeriesTable() },
    onProblem: ({ part, message }) => problems.push(`${part}: ${message}`),
  })
  const measured = new Set<string>()
  await new Promise((resolve) => setTimeout(resolve, BETWEEN_READINGS_MS))
  // It rejects when nothing can be read; `problems` then says why.
  await source.collect(Date.now() * 1000, (sample) => measured.add(sample.series.measurement)).catch(() => {})
  await source.close()
  const leftOut = (reason: LeftOutReason): number => source.leftOut.get(reason) ?? 0
  // A machine that hides its processes is in order, and so is an agent that cannot count them.
  const isHidden = (measurement: string): boolean => measurement === 'processes' && leftOut('hidden') > 0
  const missing = include.filter((measurement) => !measured.has(measurement) && !isHidden(measurement))
  const details = problems.length > 0 ? ` (${problems.join('; ')})` : ''
  return missing.length > 0
    ? bad(`${host} has no ${missing.join(', ')}${details}`)
    : {
        ...good(`${host} has ${[...measured].join(', ')}${details}`),
        warns: LEFT_OUT_REASONS.some((reason) => leftOut(reason) > 0),
      }
}

async function checkBroker(loaded: LoadedSettings): Promise<Verdict> {
  const { kind, useHttp } = loaded.settings.broker
  if (useHttp && !hasDuty(loaded.role, 'ingest', 'serve')) return checkGateway(loaded)
  if (kind === 'memory') return good('memory, inside the process')
  const context = quietContext(loaded)
  try {
    const broker = await connectBroker(
      context,
      loaded.role.duties.flatMap((duty) => BROKER_USES[duty]),
    )
    const { connected, problem } = broker.health()
    if (!connected) return bad(problem)
    // An agent has nothing to do with the live feed, and its user of Redis may not read it.
    if (!hasDuty(loaded.role, 'ingest', 'serve')) return good(`${kind} over Redis answers`)
    const announced = (await broker.live.recall()).length
    const text = `${kind} over Redis answers; ${announced > 0 ? `the live feed has ${announced} series` : 'no server has announced a series yet'}`
    if (broker.cutOff === undefined || !hasDuty(loaded.role, 'ingest')) return good(text)
    const cutOff = cutOffVerdict(await broker.cutOff())
    return { ...cutOff, text: `${text}; ${cutOff.text}` }
  } catch (error) {
    return bad(errorText(error))
  } finally {
    await context.releaser.release(TIMEOUT_MS)
  }
}

async function checkStore(loaded: LoadedSettings): Promise<Verdict> {
  const context = quietContext(loaded)
  try {
    const { writer, reader, retentionProblem } = await connectStore(context)
    const verdict = await (hasDuty(loaded.role, 'ingest')
      ? writeAndReadBack(context, writer, reader, hasDuty(loaded.role, 'serve'))
      : readOnly(context, reader))
    return retentionProblem === '' ? verdict : bad(`${verdict.text}; it drops no old samples: ${retentionProblem}`)
  } catch (error) {
    const isLocked = error instanceof StoreError && error.kind === 'away' && loaded.settings.store.kind === 'duckdb'
    if (isLocked) return askRunning(loaded, error)
    if (error instanceof StoreError && error.kind === 'away') {
      return bad(`${error.message}; is it running, and is INFLUX_URL right?`)
    }
    return bad(errorText(error))
  } finally {
    await context.releaser.release(TIMEOUT_MS)
  }
}

/** An api never writes, so its token may be read-only. */
async function readOnly({ settings, clock }: Context, reader: StoreReader): Promise<Verdict> {
  await reader.probe(AbortSignal.timeout(TIMEOUT_MS))
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const hosts = await reader.hosts(clock.now() - LOOK_BACK_US, signal).catch((error: unknown) => {
    // InfluxDB 1.6 takes 7 s for each measurement that 100,000 hosts have.
    if (signal.aborted) return undefined
    throw error
  })
  const count = hosts?.length ?? `too many to count them in ${TIMEOUT_MS / 1000} s`
  return good(`${settings.store.kind} answers; hosts with samples of the last hour: ${count}`)
}

/**
 * Writes one sample of the measurement `sentinel_doctor` and reads it back.
 *
 * @param mustRead whether the role reads; else its token need not have the right
 */
async function writeAndReadBack(
  context: Context,
  writer: StoreWriter,
  reader: StoreReader,
  mustRead: boolean,
): Promise<Verdict> {
  const { settings, clock } = context
  const { host } = settings.agent
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const problem = await writer.check(signal)
  if (problem !== '') return bad(problem)

  const at = clock.now()
  const batch = writer.openBatch()
  const refusal = batch.add(doctorSample(host, at))
  if (refusal !== undefined) return bad(refusal === 'full' ? 'a batch has no room for a single sample' : refusal.detail)
  const result = await writer.write(batch, signal)
  batch.release()
  if (result.next !== 'ack') return bad(result.problem)
  if (result.rejected[0] !== undefined) return bad(`it rejects the sample: ${result.rejected[0].refusal.detail}`)

  const around = { startUs: at - 1_000_000, endUs: at + 1_000_000, everyUs: 1_000_000 }
  const query = { measurement: 'sentinel_doctor', fields: ['value'], tags: { host }, aggregate: 'last' } as const
  const readBack = reader.probe(signal).then(() => reader.history({ ...query, ...around }, signal))
  const found = await readBack.catch((error: unknown) => {
    if (mustRead || !(error instanceof StoreError) || error.kind !== 'refused') throw error
    return error
  })
  if (found instanceof StoreError) {
    return good(
      `${settings.store.kind} accepted a sample; it could not be read back, which a server need not do: ${found.message}`,
    )
  }
  if (found.length === 0) return bad('it accepted a sample, but does not return it')
  return good(`${settings.store.kind} accepted a sample and returned it`)
}

function doctorSample(host: string, at: number): Sample {
  const series = new SeriesTable().intern('sentinel_doctor', [['host', host]], at)
  if (isRefusal(series)) throw new Error(series.detail)
  series.field('value', 'float')
  return { series, values: [1], at, tie: 0 }
}

/** Asks it for nothing: an intake takes POST alone, so any answer but 404 says that it is there. */
async function checkIntake(url: string): Promise<Verdict> {
  const { origin, pathname } = new URL(url)
  try {
    const { status } = await fetch(`${origin}${pathname}`, {
      method: 'HEAD',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'manual',
    })
    const isThere = status < 500 && status !== 404
    return isThere ? good(`something answers at ${origin}${pathname}`) : bad(`${origin}${pathname} answers ${status}`)
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    return bad(`${origin}${pathname} does not answer: ${errorText(cause)}; is it running, and is generator.push right?`)
  }
}

/** Only the running process can open the file of DuckDB, so that process is asked whether it is ready. */
async function askRunning({ settings }: LoadedSettings, locked: StoreError): Promise<Verdict> {
  const { host, port } = settings.admin
  try {
    const tls = await adminTls(settings)
    const url = `${adminUrl(host, port, tls !== undefined)}/ready`
    const { body } = await askText(url, { tls, signal: AbortSignal.timeout(TIMEOUT_MS) })
    const { ready, reasons } = JSON.parse(body) as { ready: boolean; reasons: string[] }
    return ready
      ? good(`the running process on port ${port} uses ${settings.duckdb.path} and is ready`)
      : bad(`the running process on port ${port} is not ready: ${reasons.join('; ')}`)
  } catch {
    return bad(locked.message)
  }
}
