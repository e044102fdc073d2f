import { Argument, Command } from 'commander'
import pino from 'pino'
import { openBroker } from '../../internal/broker/open.ts'
import { addSettingFlags, flagValues } from '../../internal/config/cli.ts'
import { type LoadedSettings, loadSettings } from '../../internal/config/load.ts'
import { ROLES, type Role } from '../../internal/config/setting.ts'
import { Releaser } from '../../internal/lifecycle/releaser.ts'
import { WallClock } from '../../internal/observe/clock.ts'
import { LogThrottle } from '../../internal/observe/log-throttle.ts'
import { Metrics } from '../../internal/observe/metrics.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { createHostSource } from '../../internal/source/host.ts'
import { StoreError } from '../../internal/store/store.ts'
import { connectStore } from '../connect.ts'
import type { Context } from '../context.ts'
import { readVersion } from '../version.ts'

const TIMEOUT_MS = 15_000

/** What a check found: in words, and whether it is well. */
interface Finding {
  readonly well: boolean
  readonly words: string
}

const well = (words: string): Finding => ({ well: true, words })
const ill = (words: string): Finding => ({ well: false, words })

/** Tries everything that the settings name, and says in words what is wrong. Exit code 1 where something is. */
export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('Connects to what the settings name, writes one sample and reads it back, and says what is wrong.')
    .addArgument(new Argument('[role]', 'the role to look for').choices(ROLES).default('up'))
  addSettingFlags(command, 'up', ['REDIS_URL=redis://10.0.0.5:6379 INFLUX_URL=http://10.0.0.6:8086 sentinel doctor'])
  return command.action(async (role: Role) => {
    const loaded = loadSettings(role, flagValues(command, 'up'), process.env)
    const checks: ReadonlyArray<readonly [what: string, check: (loaded: LoadedSettings) => Promise<Finding>]> = [
      ['host', checkHost],
      ['broker', checkBroker],
      ['store', checkStore],
    ]
    for (const [what, check] of checks) {
      const finding = await check(loaded)
      process.stdout.write(`${finding.well ? 'ok  ' : 'FAIL'} ${what}: ${finding.words}\n`)
      if (!finding.well) process.exitCode = 1
    }
  })
}

async function checkHost({ role, settings }: LoadedSettings): Promise<Finding> {
  if (role === 'server' || role === 'api') return well(`${role} measures no host`)
  const { host, include, procRoot, sysRoot, mountRoot } = settings.agent
  const problems: string[] = []
  const source = createHostSource({
    ...{ host, include, procRoot, sysRoot, mountRoot, table: new SeriesTable() },
    onProblem: ({ part, message }) => problems.push(`${part}: ${message}`),
  })
  const measured = new Set<string>()
  await source.collect(Date.now() * 1000, (sample) => measured.add(sample.series.measurement))
  await source.close()
  const missing = include.filter((measurement) => !measured.has(measurement))
  const said = problems.length > 0 ? `; ${problems.join('; ')}` : ''
  if (missing.length > 0) return ill(`${host} gives no ${missing.join(', ')}${said}`)
  return well(`${host} gives ${[...measured].join(', ')}${said}`)
}

async function checkBroker({ role, settings }: LoadedSettings): Promise<Finding> {
  const { kind, ...broker } = settings.broker
  if (kind === 'memory') return well('memory, inside the process')
  const redis = { url: settings.redis.url ?? '', password: settings.redis.password }
  const opened = await openBroker({ kind, ...broker, redis, logger: pino({ level: 'silent' }) })
  try {
    const { connected, problem } = opened.health()
    if (!connected) return ill(problem)
    const payloads = await opened.live.recall()
    const seen = payloads.length > 0 ? `${payloads.length} series are live` : 'no server has announced a series yet'
    return well(`${kind} over Redis ${connected ? 'answers' : ''}; ${seen}${role === 'agent' ? '' : ''}`)
  } finally {
    await opened.close()
  }
}

/** Writes one sample of `sentinel_doctor` and reads it back. */
async function checkStore(loaded: LoadedSettings): Promise<Finding> {
  const { role, settings } = loaded
  if (role === 'agent') return well('an agent has none')
  const context = quietContext(loaded)
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const { writer, reader } = await connectStore(context)
    const problem = await writer.check(signal)
    if (problem !== '') return ill(problem)
    const at = context.clock.now()
    const series = new SeriesTable().intern('sentinel_doctor', [['host', settings.agent.host]], at)
    if (isRefusal(series)) return ill(series.detail)
    series.field('value', 'float')
    const batch = writer.openBatch()
    const refusal = batch.add({ series, values: [1], at, tie: 0 })
    if (refusal !== undefined) return ill(typeof refusal === 'string' ? refusal : refusal.detail)
    const result = await writer.write(batch, signal)
    batch.release()
    if (result.next !== 'ack') return ill(result.problem)
    if (result.rejected.length > 0) return ill(`it refuses the sample: ${result.rejected[0]!.refusal.detail}`)
    const found = await reader.history(
      {
        measurement: 'sentinel_doctor',
        fields: ['value'],
        tags: { host: settings.agent.host },
        startUs: at - 1_000_000,
        endUs: at + 1_000_000,
        everyUs: 1_000_000,
        aggregate: 'last',
      },
      signal,
    )
    if (found.length === 0) return ill('it took a sample, but does not give it back')
    return well(`${settings.store.kind} took a sample and gave it back`)
  } catch (error) {
    if (error instanceof StoreError && settings.store.kind === 'duckdb') return askRunning(loaded, error)
    return ill(error instanceof Error ? error.message : String(error))
  } finally {
    await context.releaser.release(TIMEOUT_MS)
  }
}

/** The file of DuckDB belongs to the process that runs: that one is asked how it is. */
async function askRunning({ settings }: LoadedSettings, locked: StoreError): Promise<Finding> {
  const { host, port } = settings.admin
  try {
    const response = await fetch(`http://${host}:${port}/ready`)
    const { ready, reasons } = (await response.json()) as { ready: boolean; reasons: string[] }
    return ready
      ? well(`the running process on port ${port} has ${settings.duckdb.path} and is ready`)
      : ill(`the running process on port ${port} is not ready: ${reasons.join('; ')}`)
  } catch {
    return ill(locked.message)
  }
}

function quietContext({ settings, role, secrets }: LoadedSettings): Context {
  const logger = pino({ level: 'silent', base: { role, secrets: secrets.length } })
  return {
    settings,
    version: readVersion(),
    logger,
    throttle: new LogThrottle(logger),
    clock: new WallClock(),
    releaser: new Releaser(logger),
    metrics: new Metrics(),
    readiness: [],
    summary: [],
  }
}
