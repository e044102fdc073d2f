import { isIPv6 } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { LoadedSettings } from '../../internal/config/load.ts'
import { formatSize } from '../../internal/config/units.ts'
import { askText } from '../../internal/http/ask.ts'
import { countOf, countText } from '../../internal/text/count.ts'
import { ageText } from '../../internal/text/duration.ts'
import { sizeText } from '../../internal/text/size.ts'
import { ROLES } from '../program/roles.ts'
import { adminTls } from './check-tls.ts'
import type { Finding, Verdict } from './finding.ts'
import { parseScrape, type Scrape } from './scrape.ts'

/** A stopped process accepts the connection but never answers. */
const TIMEOUT_MS = 5000

/** What one running process reports at its admin listener. */
interface Running {
  /** Its role. */
  readonly name: string
  readonly port: number
  readonly reasons: readonly string[]
  readonly scrape: Scrape
}

/**
 * Asks the running processes of this machine whether they are ready, and whether every sample is accounted for. Without
 * `admin.port` it asks the default port of every role. A port on which nothing of ours listens gives no finding,
 * unless that holds for all of them.
 */
export async function* findRunning(loaded: LoadedSettings): AsyncGenerator<Finding> {
  const found: Running[] = []
  // Where its files cannot be used, a finding of their own says so.
  const tls = await adminTls(loaded.settings).catch(() => ({}))
  for (const port of adminPorts(loaded)) {
    const running = await askAdmin(loaded.settings.admin.host, port, loaded.settings.auth.serviceToken, tls)
    if (typeof running === 'string') yield { part: `port ${port}`, ok: false, text: running }
    if (typeof running !== 'object') continue
    found.push(running)
    yield* accountOf(running, loaded)
  }
  if (found.length === 0) yield { part: 'programs', ok: true, text: noneText(loaded) }
  const text = wire(found.map(({ scrape }) => scrape))
  if (text !== undefined) yield { part: 'wire', ok: true, text }
}

function adminPorts({ role, settings, origins }: LoadedSettings): number[] {
  const asksEveryRole = role.name === ROLES.up.name && origins.get('admin.port')?.kind === 'default'
  return asksEveryRole ? [...new Set(Object.values(ROLES).map(({ adminPort }) => adminPort))] : [settings.admin.port]
}

/** The URL of an admin listener. */
export function adminUrl(host: string, port: number, isSecure: boolean): string {
  return `http${isSecure ? 's' : ''}://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** Said, as otherwise nobody would notice that the programs were not asked. */
function noneText(loaded: LoadedSettings): string {
  const ports = adminPorts(loaded)
  const { host } = loaded.settings.admin
  return `none answers at ${host}, port ${ports.join(', ')}; for one that listens elsewhere set --admin-port or SENTINEL_ADMIN_PORT`
}

/** @returns undefined when no role listens there; a problem in words when something listens but does not answer */
async function askAdmin(
  host: string,
  port: number,
  token: string | undefined,
  tls?: ConnectionOptions,
): Promise<Running | string | undefined> {
  const url = adminUrl(host, port, tls !== undefined)
  const headers: Record<string, string> = token === undefined ? {} : { 'x-service-token': token }
  const ask = (path: string): ReturnType<typeof askText> =>
    askText(`${url}${path}`, { headers, tls, signal: AbortSignal.timeout(TIMEOUT_MS) })
  const get = async (path: string): Promise<string> => (await ask(path)).body
  try {
    const { name } = JSON.parse(await get('/health')) as { name?: unknown }
    if (typeof name !== 'string' || !Object.hasOwn(ROLES, name)) return undefined
    const { reasons } = JSON.parse(await get('/ready')) as { reasons: string[] }
    const { status, body } = await ask('/metrics')
    if (status === 401 || status === 403)
      return `${name} answers ${status} there: set SERVICE_TOKEN to the token of that machine`
    const scrape = parseScrape(body)
    return { name, port, reasons, scrape }
  } catch (error) {
    const isUntrusted = error instanceof Error && /certificate|CERT/.test(`${error.message}`)
    if (isUntrusted) return `something listens there whose certificate is not that of admin.tlsCert: ${error.message}`
    const hangs = error instanceof Error && error.name === 'TimeoutError'
    return hangs ? `something listens there, but does not answer within ${TIMEOUT_MS / 1000} s` : undefined
  }
}

function* accountOf({ name, port, reasons, scrape }: Running, { settings }: LoadedSettings): Generator<Finding> {
  const isReady = reasons.length === 0
  yield {
    part: name,
    ok: isReady,
    text: `on port ${port}, ${isReady ? 'ready' : `not ready: ${reasons.join('; ')}`}`,
  }
  if (scrape.has('produced_samples_total')) yield { part: `${name} sent`, ...published(scrape) }
  if (scrape.sum('outbox_on_disk', 1) === 0) {
    const text = 'what waits would be lost with the process: its data folder cannot be written to, see the log'
    yield { part: `${name} outbox`, ok: false, text }
  }
  yield* downTargets(name, scrape)
  if (scrape.has('source_dead_letters_total'))
    yield { part: `${name} refused by sources`, ok: true, text: sourceLetters(scrape) }
  if (!scrape.has('received_samples_total')) return
  yield { part: `${name} stored`, ...stored(scrape) }
  const refused = [...scrape.by('refused_measurements').keys()]
  if (refused.length > 0) yield { part: `${name} refused`, ok: true, warns: true, text: refusedText(refused) }
  yield { part: `${name} lost`, ok: true, text: lost(scrape) }
  if (scrape.has('spool_samples')) {
    const bound = formatSize(settings.spool.maxBytes)
    yield { part: `${name} spool`, ok: scrape.sum('spool_ready', 1) === 1, text: spool(scrape, bound) }
  }
  if (scrape.sum('store_retention_ready', 1) === 0) {
    const text = 'no old samples are dropped: the clock of this machine contradicts the history, see the log'
    yield { part: `${name} retention`, ok: false, text }
  }
  for (const runs of scrape.by('host_conflicts').keys()) {
    const text = `two sources send as host ${runs}: they overwrite each other's samples. Give each machine an --agent-host of its own, and stop the one that should not be`
    yield { part: `${name} hosts`, ok: false, text }
  }
  if (scrape.sum('broker_namesake') > 0) {
    const text = 'another server reads under the same name: give each server a --broker-consumer of its own'
    yield { part: `${name} consumer`, ok: false, text }
  }
  if (scrape.has('dead_letters_bytes')) {
    const isWhole = scrape.sum('damaged_dead_letters_total') === 0
    yield { part: `${name} dead letters`, ok: isWhole, text: deadLetters(scrape) }
  }
  if (scrape.has('broker_lag_messages')) yield { part: `${name} streams`, ok: true, text: streams(scrape) }
}

/** The targets whose last answer was not taken. */
function* downTargets(name: string, scrape: Scrape): Generator<Finding> {
  for (const [target, up] of scrape.by('source_up')) {
    if (up === 1) continue
    const ageSeconds = scrape.by('source_age_seconds').get(target)
    const since = ageSeconds === undefined ? 'nothing yet' : `nothing since ${ageText(ageSeconds * 1000)}`
    yield { part: `${name} fabric`, ok: false, text: `${target} gave ${since} that can be taken: see the log` }
  }
}

/** A part of a ledger, with its count of samples. */
type Column = readonly [name: string, samples: number]

/** `produced 5 = sent 3 + held 2`, and whether both sides are equal. */
function ledger(left: readonly Column[], right: readonly Column[], where = ''): Verdict {
  const sum = (columns: readonly Column[]): number => columns.reduce((total, [, samples]) => total + samples, 0)
  const side = (columns: readonly Column[]): string =>
    columns.map(([name, samples]) => `${name} ${countText(samples)}`).join(' + ')
  const difference = sum(left) - sum(right)
  const verdict =
    difference === 0 ? '' : `: ${countOf(Math.abs(difference), 'sample')} too ${difference > 0 ? 'few' : 'many'}, a bug`
  return { ok: difference === 0, text: `${side(left)} = ${side(right)}${where}${verdict}` }
}

function published(scrape: Scrape): Verdict {
  return ledger(
    [
      ['produced', scrape.sum('produced_samples_total')],
      ['taken over', scrape.sum('outbox_taken_over_samples_total')],
    ],
    [
      ['sent', scrape.sum('sent_samples_total')],
      ['dropped', scrape.sum('unsent_samples_total')],
      ['held', scrape.sum('outbox_samples')],
    ],
    ` (${sizeText(scrape.sum('outbox_bytes'))} in the outbox)${reasonsOf(scrape, 'unsent_samples_total')}`,
  )
}

function stored(scrape: Scrape): Verdict {
  const [held, onDisk] = [scrape.sum('held_samples'), scrape.sum('spool_samples')]
  return ledger(
    [
      ['received', scrape.sum('received_samples_total')],
      ['taken over', scrape.sum('taken_over_samples_total')],
    ],
    [
      ['written', scrape.sum('written_samples_total')],
      ['rejected', scrape.sum('rejected_samples_total')],
      ['dropped', scrape.sum('dropped_samples_total')],
      ['held', held],
    ],
    ` (${countText(held - onDisk)} in memory, ${countText(onDisk)} on disk)${reasonsOf(scrape, 'rejected_samples_total')}${reasonsOf(scrape, 'dropped_samples_total')}`,
  )
}

function refusedText(measurements: readonly string[]): string {
  return `the store takes no sample of ${measurements.join(', ')}: often a field has another type there; see sentinel dead-letters list`
}

/** `; dropped: 3 queue_full`, or '' when the metric is 0. */
function reasonsOf(scrape: Scrape, name: string): string {
  const some = [...scrape.by(name)].filter(([, samples]) => samples > 0)
  const word = name.startsWith('rejected') ? 'rejected' : 'dropped'
  return some.length === 0
    ? ''
    : `; ${word}: ${some.map(([reason, samples]) => `${countText(samples)} ${reason}`).join(', ')}`
}

/** Why a loss is unknown, by the label of `sentinel_loss_unknown`. */
const UNKNOWN_LOSS: Readonly<Record<string, (count: number) => string>> = {
  unnumbered: (count) => `for ${countOf(count, 'message')} without a number`,
  met_late: (count) => `for ${countOf(count, 'run')} before the first message that this server heard of it`,
  leapt: (count) => `for ${countOf(count, 'run')} whose numbers leapt ahead`,
  vanished: (count) =>
    `for what was unread when ${countOf(count, 'stream')} vanished from Redis: give it persistence and maxmemory-policy noeviction`,
  trimmed: (count) => `for ${countOf(count, 'message')} that Redis trimmed: raise broker.maxLength`,
}

/** The losses, and how certain they are. */
function lost(scrape: Scrape): string {
  const unknown = [...scrape.by('loss_unknown')].filter(([, count]) => count > 0)
  const byCertainty = scrape.by('lost_samples_total')
  const atMost = byCertainty.get('at_most') ?? 0
  const missing = scrape.sum('missing_samples')
  return [
    `${countText(byCertainty.get('exact') ?? 0)} for certain`,
    ...(atMost > 0 ? [`at most ${countText(atMost)} more, from when a server was killed`] : []),
    ...unknown.map(([reason, count]) => `unknown ${UNKNOWN_LOSS[reason]?.(count) ?? `(${reason})`}`),
    ...(missing > 0 ? [`${countText(missing)} may still arrive`] : []),
    `${countText(scrape.sum('duplicate_samples_total'))} arrived twice`,
  ].join(', ')
}

function spool(scrape: Scrape, bound: string): string {
  const samples = scrape.sum('spool_samples')
  const awaySeconds = scrape.sum('store_away_seconds')
  const away = awaySeconds > 0 ? `; the store has been away for ${ageText(awaySeconds * 1000)}` : ''
  const trouble = scrape.sum('spool_ready', 1) === 1 ? '' : '; it cannot write to its disk, see the log'
  const oldest = scrape.has('spool_oldest_seconds')
    ? `, the oldest ${ageText(scrape.sum('spool_oldest_seconds') * 1000)} old`
    : ''
  const content =
    samples === 0
      ? 'empty'
      : `${countOf(samples, 'sample')} in ${sizeText(scrape.sum('spool_bytes'))} of ${bound}${oldest}`
  return `${content}${away}${trouble}`
}

/** What sources of an agent refused. */
function sourceLetters(scrape: Scrape): string {
  const [written, discarded] = [
    scrape.sum('source_dead_letters_total'),
    scrape.sum('source_discarded_dead_letters_total'),
  ]
  const gone = discarded > 0 ? `, ${countText(discarded)} of them not kept` : ''
  const where = written + discarded > 0 ? ': see sentinel dead-letters list' : ''
  return `${countText(written)} dead letters since its start${gone}${where}`
}

function deadLetters(scrape: Scrape): string {
  const [bytes, discarded] = [scrape.sum('dead_letters_bytes'), scrape.sum('discarded_dead_letters_total')]
  const damaged = scrape.sum('damaged_dead_letters_total')
  const gone = [
    ...(discarded > 0 ? [`, ${countText(discarded)} could not be kept`] : []),
    ...(damaged > 0 ? [`, ${countText(damaged)} of before are damaged on disk`] : []),
  ].join('')
  const written = `${countText(scrape.sum('dead_letters_total'))} since its start${gone}`
  return bytes === 0 ? `none kept, ${written}` : `${sizeText(bytes)} kept, ${written}: see sentinel dead-letters list`
}

function streams(scrape: Scrape): string {
  const oldest = Math.max(0, ...scrape.by('broker_oldest_message_seconds').values())
  const trimmed = scrape.sum('broker_trimmed_unread_messages_total') + scrape.sum('broker_trimmed_messages_total')
  return [
    `${countOf(scrape.sum('broker_lag_messages'), 'message')} not read yet`,
    `${countText(scrape.sum('broker_pending_messages'))} read but not acknowledged`,
    `the oldest ${ageText(oldest * 1000)} old`,
    ...(trimmed > 0 ? [`${countText(trimmed)} trimmed before they were stored`] : []),
  ].join(', ')
}

/**
 * Compares what all publishers sent with what all servers received. A difference does not prove a loss: the processes
 * were asked one after the other, and some may run on other machines.
 *
 * @returns undefined when no publisher or no server runs here
 */
function wire(all: readonly Scrape[]): string | undefined {
  const isThere = (name: string): boolean => all.some((scrape) => scrape.has(name))
  if (!isThere('sent_samples_total') || !isThere('received_samples_total')) return undefined
  const sum = (name: string): number => all.reduce((total, scrape) => total + scrape.sum(name), 0)
  const sent = sum('sent_samples_total')
  const arrived = sum('received_samples_total') - sum('own_samples_total') - sum('duplicate_samples_total')
  const [lostSamples, missing] = [sum('lost_samples_total'), sum('missing_samples')]
  const open = sent - arrived - lostSamples - missing
  const rest =
    open === 0
      ? 'complete'
      : open > 0
        ? `${countText(open)} are on their way, or went to a server that no longer runs here`
        : `${countText(-open)} more came from publishers that no longer run here`
  return `sent ${countText(sent)}; arrived ${countText(arrived)} + lost ${countText(lostSamples)} + missing ${countText(missing)}: ${rest}`
}
