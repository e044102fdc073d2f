import { influxQuery } from '../support/influx.ts'
import { sleep } from '../support/servers.ts'
import { deadLettersOf } from './dead-letters.ts'
import type { Figures, Member } from './member.ts'
import type { Life, Obligations } from './obligations.ts'
import { IDS_A_LIFE, MEASUREMENT, payloadOf, workerOf } from './samples.ts'
import { DATABASE, type Scene } from './scene.ts'

/** What became of everything that was owed, in samples. */
export interface Verdict {
  /** Owed: accepted by Redis, or safe on a publisher's disk. */
  readonly sent: number
  /** Of these in the database, each with the content that its number asks for. */
  readonly stored: number
  /** Of the others, in a dead letter with payload and reason. */
  readonly deadLetters: number
  /** What the programs say they dropped, with a reason; and what servers say was lost on the way. */
  readonly dropped: number
  readonly droppedBy: readonly string[]
  readonly reportedLost: number
  /** After `kill -9`: no more than these were lost beside those. */
  readonly lostAtMost: number
  /** Reported beyond what is missing: after `kill -9` what is reported lost is an upper bound. */
  readonly overReported: number
  readonly duplicatesSeen: number
  readonly unaccounted: number
  /** From the end of the fault to the first sample made after it being stored; to nothing being held anywhere any more. */
  readonly freshAfterMs: number
  readonly caughtUpAfterMs: number
  /** Everything else that is not as it must be. */
  readonly problems: readonly string[]
}

/** What one query asks for. */
const IDS_A_QUERY = 20_000

/**
 * Once the faults have stopped: waits until nothing is held anywhere, stops all programs, and compares what is stored with what is owed.
 *
 * @param restMs a system that has not come to rest by then never will
 */
export async function judge(scene: Scene, restMs: number): Promise<Verdict> {
  const { servers, publisher, influx, options } = scene
  const problems: string[] = []
  const healedMs = Date.now()
  const deadlineMs = healedMs + restMs

  const freshAfterMs = await freshSample(scene, deadlineMs)
  if (freshAfterMs < 0) problems.push('no fresh sample was stored after the fault')
  publisher.signal('SIGUSR2')
  const isEmpty = await publisher.until((figures) => (figures.get('sentinel_outbox_samples') ?? 0) === 0, deadlineMs)
  if (!isEmpty) problems.push(`${publisher.name} still holds samples`)
  await restOf(servers, ['sentinel_held_samples'], deadlineMs, problems)
  const caughtUpAfterMs = Date.now() - healedMs

  const published = await publisher.look()
  if (published !== undefined) problems.push(...imbalanceOfPublisher(publisher.name, published))
  await publisher.stop()
  await scene.agent?.stop()
  const gauges = ['sentinel_held_samples', ...(scene.hasKilledPublisher ? [] : ['sentinel_missing_samples'])]
  await restOf(servers, gauges, deadlineMs, problems)
  for (const server of servers) {
    const figures = await server.look()
    if (figures !== undefined) problems.push(...imbalanceOfServer(server.name, figures))
  }
  for (const server of servers) await server.stop()
  const members = [publisher, ...servers, ...(scene.agent === undefined ? [] : [scene.agent])]
  problems.push(...members.flatMap((member) => member.problems))

  const obligations = scene.obligations()
  const stored = await storedIds(influx.url, obligations, problems)
  const letters = await deadLettersOf(
    servers.map((server) => ({ server, dataPath: scene.dataOf(server) })),
    obligations,
  )
  const sum = (metric: string, column: string, of: readonly Member[] = servers): number =>
    of.reduce((total, member) => total + member.total(metric, column), 0)
  const dropped =
    sum('sentinel_dropped_samples_total', 'dropped') +
    sum('sentinel_unsent_samples_total', 'agent_dropped', [publisher])
  const reportedLost = sum('sentinel_lost_samples_total{certainty="exact"}', 'lost')
  const droppedBy = [...servers, publisher].flatMap((member) => [
    ...member.reasons('sentinel_dropped_samples_total'),
    ...member.reasons('sentinel_unsent_samples_total'),
  ])
  const lostAtMost = sum('sentinel_lost_samples_total{certainty="at_most"}', 'lost_at_most')
  const witnessed = (await scene.witness?.compare(influx.url, DATABASE)) ?? { sent: 0, stored: 0 }
  let [sent, owedStored, inLetters, missing] = [witnessed.sent, witnessed.stored, 0, witnessed.sent - witnessed.stored]
  for (const id of obligations.issued()) {
    if (!obligations.owes(id)) continue
    sent++
    if (stored.has(id)) owedStored++
    else if (letters.samples.has(id)) inLetters++
    else missing++
  }
  for (const [id, isWhole] of letters.samples) {
    if (!isWhole) problems.push(`the dead letter of sample ${id} lacks its content, its reason, or was never a sample`)
  }
  for (const message of scene.unreadable) {
    if (!letters.messages.get(message)) problems.push(`no dead letter of the message ${JSON.stringify(message)}`)
  }
  for (const line of scene.refused) {
    if (!letters.others.some((other) => other.startsWith(line))) problems.push(`no dead letter of the line ${line}`)
  }
  // Over streams nothing is ever excused: what was accepted is stored.
  const reported = dropped + reportedLost + lostAtMost
  if (options.broker === 'streams' && reported > 0)
    problems.push(`over streams ${reported} samples are reported lost or dropped`)
  const excused = options.broker === 'streams' ? 0 : reported
  return {
    ...{ sent, stored: owedStored, deadLetters: inLetters, dropped, droppedBy, reportedLost, lostAtMost, problems },
    overReported: Math.max(0, reported - missing),
    duplicatesSeen: sum('sentinel_duplicate_samples_total', ''),
    unaccounted: Math.max(0, missing - excused),
    ...{ freshAfterMs, caughtUpAfterMs },
  }
}

/** @returns how long it took, or -1 */
async function freshSample({ influx }: Scene, deadlineMs: number): Promise<number> {
  const startedMs = Date.now()
  const query = `SELECT count("id") FROM "${MEASUREMENT}" WHERE time >= ${startedMs}ms`
  while (Date.now() < deadlineMs) {
    const rows = await influxQuery(influx.url, DATABASE, query).catch(() => [])
    if (Number(rows[0]?.count ?? 0) > 0) return Date.now() - startedMs
    await sleep(50)
  }
  return -1
}

/** Waits until these gauges of all servers are 0. */
async function restOf(
  servers: readonly Member[],
  gauges: readonly string[],
  deadlineMs: number,
  problems: string[],
): Promise<void> {
  for (const server of servers) {
    const rests = await server.until((figures) => gauges.every((gauge) => atRest(figures, gauge)), deadlineMs)
    if (!rests) {
      const figures = await server.look()
      const values = gauges.map((gauge) => `${gauge} ${figures?.get(gauge) ?? 'unknown'}`)
      problems.push(`${server.name} does not come to rest: ${values.join(', ')}`)
    }
  }
}

/** A server holds its own figures for a moment each second; of the oracle's samples there are then none. */
function atRest(figures: Figures, gauge: string): boolean {
  return (figures.get(gauge) ?? 0) === 0
}

/** docs/metrics.md, "The ledgers". */
function imbalanceOfPublisher(name: string, figures: Figures): string[] {
  const of = (metric: string): number => figures.get(metric) ?? 0
  const has = of('sentinel_produced_samples_total') + of('sentinel_outbox_taken_over_samples_total')
  const ends = of('sentinel_sent_samples_total') + of('sentinel_unsent_samples_total') + of('sentinel_outbox_samples')
  return has === ends
    ? []
    : [`the ledger of ${name} does not balance: ${has} made and taken over, ${ends} accounted for`]
}

function imbalanceOfServer(name: string, figures: Figures): string[] {
  const of = (metric: string): number => figures.get(metric) ?? 0
  const has = of('sentinel_received_samples_total') + of('sentinel_taken_over_samples_total')
  const ends = ['written', 'rejected', 'dropped'].reduce((sum, what) => sum + of(`sentinel_${what}_samples_total`), 0)
  const all = ends + of('sentinel_held_samples')
  return has === all
    ? []
    : [`the ledger of ${name} does not balance: ${has} received and taken over, ${all} accounted for`]
}

/** The ids in the database. What has another content than its id asks for, or was never made, is a problem and not among them. */
async function storedIds(url: string, obligations: Obligations, problems: string[]): Promise<Set<number>> {
  const stored = new Set<number>()
  let [found, wrong] = [0, 0]
  for (const life of obligations.lives.values()) {
    for (let from = 0; from < life.issued; from += IDS_A_QUERY) {
      const rows = await rowsOf(url, life, from, Math.min(from + IDS_A_QUERY, life.issued))
      found += rows.length
      for (const row of rows) {
        const id = idOf(row, life)
        if (id !== undefined && obligations.lifeOf(id) !== undefined) stored.add(id)
        else if (wrong++ === 0) problems.push(`stored, but not as it was made: ${JSON.stringify(row)}`)
      }
    }
  }
  if (wrong > 1) problems.push(`${wrong} samples in all are not as they were made`)
  const [row] = await influxQuery(url, DATABASE, `SELECT count("id") FROM "${MEASUREMENT}"`)
  const all = Number(row?.count ?? 0)
  if (all !== found) problems.push(`${all - found} points of the database were never made`)
  return stored
}

function rowsOf(url: string, life: Life, from: number, end: number): Promise<Array<Record<string, unknown>>> {
  const [startUs, endUs] = [from, end].map((n) => life.baseUs + n * life.spacingUs)
  const where = `"source" = '${life.source}' AND time >= ${startUs}u AND time < ${endUs}u`
  return influxQuery(url, DATABASE, `SELECT * FROM "${MEASUREMENT}" WHERE ${where}`)
}

/** The id of a row whose every column is as it was made. */
function idOf(row: Readonly<Record<string, unknown>>, { life, source, baseUs, spacingUs }: Life): number | undefined {
  const id = life * IDS_A_LIFE + (Number(row.time) - baseUs) / spacingUs
  const expected: Record<string, unknown> = { ...payloadOf(id), source, worker: workerOf(id) }
  return Object.entries(expected).every(([column, value]) => row[column] === value) ? id : undefined
}
