import type { LoadedSettings } from '../../internal/config/load.ts'
import { formatSize } from '../../internal/config/units.ts'
import { ROLES } from '../program/roles.ts'
import { type Figures, readFigures } from './figures.ts'
import type { Finding } from './finding.ts'

/** A process that stands still takes the connection, and answers nothing. */
const TIMEOUT_MS = 5000

const { format: count } = new Intl.NumberFormat('en')

/** What one process says of itself at its admin listener. */
interface Running {
  /** `agent`, `server`, `api` or `up`. */
  readonly name: string
  readonly port: number
  readonly reasons: readonly string[]
  readonly figures: Figures
}

/**
 * Asks the processes of this machine how they are, and whether each sample is accounted for. Those that do not run have nothing to say; an admin
 * port that is set is the only one that is asked.
 */
export async function* findRunning(loaded: LoadedSettings): AsyncGenerator<Finding> {
  const found: Running[] = []
  for (const port of adminPorts(loaded)) {
    const running = await ask(loaded.settings.admin.host, port)
    if (typeof running === 'string') yield { part: `port ${port}`, well: false, words: running }
    if (typeof running !== 'object') continue
    found.push(running)
    yield* accountOf(running, loaded)
  }
  const words = wire(found.map(({ figures }) => figures))
  if (words !== undefined) yield { part: 'wire', well: true, words }
}

function adminPorts({ role, settings, origins }: LoadedSettings): number[] {
  const asksEveryRole = role.name === ROLES.up.name && origins.get('admin.port')?.kind === 'default'
  return asksEveryRole ? [...new Set(Object.values(ROLES).map(({ adminPort }) => adminPort))] : [settings.admin.port]
}

/** @returns undefined where nothing of ours runs; what is wrong with it where it does not answer */
async function ask(host: string, port: number): Promise<Running | string | undefined> {
  const get = (path: string): Promise<Response> =>
    fetch(`http://${host}:${port}${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  try {
    const { name } = (await (await get('/health')).json()) as { name?: unknown }
    if (typeof name !== 'string' || !Object.hasOwn(ROLES, name)) return undefined
    const { reasons } = (await (await get('/ready')).json()) as { reasons: string[] }
    const figures = readFigures(await (await get('/metrics')).text())
    return { name, port, reasons, figures }
  } catch (error) {
    const hangs = error instanceof Error && error.name === 'TimeoutError'
    return hangs ? `what listens there does not answer within ${TIMEOUT_MS / 1000} s` : undefined
  }
}

function* accountOf({ name, port, reasons, figures }: Running, { settings }: LoadedSettings): Generator<Finding> {
  const isReady = reasons.length === 0
  yield {
    part: name,
    well: isReady,
    words: `on port ${port}, ${isReady ? 'ready' : `not ready: ${reasons.join('; ')}`}`,
  }
  if (figures.has('produced_samples_total')) yield { part: `${name} sent`, ...published(figures) }
  if (!figures.has('received_samples_total')) return
  yield { part: `${name} stored`, ...stored(figures) }
  yield { part: `${name} lost`, well: true, words: lost(figures) }
  if (figures.has('spool_samples')) {
    const bound = formatSize(settings.spool.maxBytes)
    yield { part: `${name} spool`, well: figures.sum('spool_ready', 1) === 1, words: spool(figures, bound) }
  }
  if (figures.has('dead_letters_bytes')) yield { part: `${name} dead letters`, well: true, words: deadLetters(figures) }
  if (figures.has('broker_lag_messages')) yield { part: `${name} streams`, well: true, words: streams(figures) }
}

type Column = readonly [name: string, samples: number]

/** `produced 5 = sent 3 + held 2`, and whether that is true. */
function ledger(left: readonly Column[], right: readonly Column[], where = ''): { well: boolean; words: string } {
  const sum = (columns: readonly Column[]): number => columns.reduce((total, [, samples]) => total + samples, 0)
  const side = (columns: readonly Column[]): string =>
    columns.map(([name, samples]) => `${name} ${count(samples)}`).join(' + ')
  const difference = sum(left) - sum(right)
  const verdict =
    difference === 0 ? '' : `: ${many(Math.abs(difference), 'sample')} too ${difference > 0 ? 'few' : 'many'}, a bug`
  return { well: difference === 0, words: `${side(left)} = ${side(right)}${where}${verdict}` }
}

function published(figures: Figures): { well: boolean; words: string } {
  return ledger(
    [
      ['produced', figures.sum('produced_samples_total')],
      ['taken over', figures.sum('outbox_taken_over_samples_total')],
    ],
    [
      ['sent', figures.sum('sent_samples_total')],
      ['dropped', figures.sum('unsent_samples_total')],
      ['held', figures.sum('outbox_samples')],
    ],
    ` (${size(figures.sum('outbox_bytes'))} in the outbox)${reasonsOf(figures, 'unsent_samples_total')}`,
  )
}

function stored(figures: Figures): { well: boolean; words: string } {
  const [held, onDisk] = [figures.sum('held_samples'), figures.sum('spool_samples')]
  return ledger(
    [
      ['received', figures.sum('received_samples_total')],
      ['taken over', figures.sum('taken_over_samples_total')],
    ],
    [
      ['written', figures.sum('written_samples_total')],
      ['rejected', figures.sum('rejected_samples_total')],
      ['dropped', figures.sum('dropped_samples_total')],
      ['held', held],
    ],
    ` (${count(held - onDisk)} in memory, ${count(onDisk)} on disk)${reasonsOf(figures, 'rejected_samples_total')}${reasonsOf(figures, 'dropped_samples_total')}`,
  )
}

/** `; dropped: 3 queue_full`; '' where there is nothing. */
function reasonsOf(figures: Figures, name: string): string {
  const some = [...figures.by(name)].filter(([, samples]) => samples > 0)
  const word = name.startsWith('rejected') ? 'rejected' : 'dropped'
  return some.length === 0
    ? ''
    : `; ${word}: ${some.map(([reason, samples]) => `${count(samples)} ${reason}`).join(', ')}`
}

/** With how certain that is: what has no number leaves no trace when it vanishes. */
function lost(figures: Figures): string {
  const unnumbered = figures.sum('unnumbered_messages_total')
  const byCertainty = figures.by('lost_samples_total')
  const atMost = byCertainty.get('at_most') ?? 0
  const missing = figures.sum('missing_samples')
  return [
    `${count(byCertainty.get('exact') ?? 0)} for certain`,
    ...(atMost > 0 ? [`at most ${count(atMost)} more, when a server was killed`] : []),
    ...(unnumbered > 0 ? [`unknown of ${many(unnumbered, 'message')} without a number`] : []),
    ...(missing > 0 ? [`${count(missing)} may still come`] : []),
    `${count(figures.sum('duplicate_samples_total'))} came twice`,
  ].join(', ')
}

function spool(figures: Figures, bound: string): string {
  const samples = figures.sum('spool_samples')
  const awaySeconds = figures.sum('store_away_seconds')
  const away = awaySeconds > 0 ? `; the store has been away for ${seconds(awaySeconds)}` : ''
  const trouble = figures.sum('spool_ready', 1) === 1 ? '' : '; its disk does not take what it is given, see the log'
  const oldest = figures.has('spool_oldest_seconds')
    ? `, the oldest ${seconds(figures.sum('spool_oldest_seconds'))} old`
    : ''
  const content =
    samples === 0 ? 'empty' : `${many(samples, 'sample')} in ${size(figures.sum('spool_bytes'))} of ${bound}${oldest}`
  return `${content}${away}${trouble}`
}

function deadLetters(figures: Figures): string {
  const [bytes, discarded] = [figures.sum('dead_letters_bytes'), figures.sum('discarded_dead_letters_total')]
  const gone = discarded > 0 ? `, ${count(discarded)} could not be kept` : ''
  const written = `${count(figures.sum('dead_letters_total'))} since its start${gone}`
  return bytes === 0 ? `none kept, ${written}` : `${size(bytes)} kept, ${written}: see sentinel dead-letters list`
}

function streams(figures: Figures): string {
  const oldest = Math.max(0, ...figures.by('broker_oldest_message_seconds').values())
  const trimmed = figures.sum('broker_trimmed_unread_messages_total') + figures.sum('broker_trimmed_messages_total')
  return [
    `${many(figures.sum('broker_lag_messages'), 'message')} to be read`,
    `${count(figures.sum('broker_pending_messages'))} read and not acknowledged`,
    `the oldest ${seconds(oldest)} old`,
    ...(trimmed > 0 ? [`${count(trimmed)} trimmed away before they were stored`] : []),
  ].join(', ')
}

/**
 * The publishers and servers found here, taken together. It proves nothing: they were asked one after the other, and some may be elsewhere.
 *
 * @returns undefined where one side is missing
 */
function wire(all: readonly Figures[]): string | undefined {
  const isThere = (name: string): boolean => all.some((figures) => figures.has(name))
  if (!isThere('sent_samples_total') || !isThere('received_samples_total')) return undefined
  const sum = (name: string): number => all.reduce((total, figures) => total + figures.sum(name), 0)
  const sent = sum('sent_samples_total')
  const came = sum('received_samples_total') - sum('own_samples_total') - sum('duplicate_samples_total')
  const [gone, missing] = [sum('lost_samples_total'), sum('missing_samples')]
  const open = sent - came - gone - missing
  const rest =
    open === 0
      ? 'that is all'
      : open > 0
        ? `${count(open)} are on their way, or went to a server that is not running here any more`
        : `${count(-open)} more came from publishers that are not running here any more`
  return `sent ${count(sent)}; came ${count(came)} + lost ${count(gone)} + missing ${count(missing)}: ${rest}`
}

function many(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`
}

function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`
}

function seconds(value: number): string {
  if (value < 120) return `${Number(value.toPrecision(2))} s`
  return value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`
}
