import { type DeadLetters, deadLettersOf } from './dead-letters.ts'
import type { Compared } from './flow.ts'
import type { Member } from './member.ts'
import { comeToRest, type Rest } from './rest.ts'
import { DATABASE, type Scene } from './scene.ts'
import { storedIds } from './stored.ts'

/** What became of all owed samples. */
export interface Verdict extends Rest {
  /** Owed: accepted by Redis, or safe on a publisher's disk. */
  readonly sent: number
  /** Of these, in the database with the content that belongs to their number. */
  readonly stored: number
  /** Of the others, in a dead letter with payload and reason. */
  readonly deadLetters: number
  /** What the programs report as dropped, with a reason, and what the servers report as lost on the way. */
  readonly dropped: number
  readonly droppedBy: readonly string[]
  readonly reportedLost: number
  /** After `kill -9`: an upper bound of the samples lost in addition. */
  readonly lostAtMost: number
  /** Reported lost or dropped, but not missing. After `kill -9` the reported loss is an upper bound. */
  readonly overReported: number
  readonly duplicatesSeen: number
  readonly unaccounted: number
  /** Everything else that is wrong. */
  readonly problems: readonly string[]
}

/**
 * Called when the faults have stopped. Waits until everything has come to rest, stops the programs, and compares the
 * stored samples with the owed ones.
 */
export async function judge(scene: Scene, restMs: number): Promise<Verdict> {
  const { servers, publisher } = scene
  const problems: string[] = []
  const rest = await comeToRest(scene, restMs, problems)
  const obligations = scene.obligations()
  const stored = await storedIds(scene.influx.url, obligations, problems)
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
  const droppedBy = [...new Set([...servers, publisher].flatMap((member) => member.dropReasons()))]
  const lostAtMost = sum('sentinel_lost_samples_total{certainty="at_most"}', 'lost_at_most')
  const witnessed = (await scene.witness?.compare(scene.influx.url, DATABASE)) ?? { sent: 0, stored: 0 }
  const given = await comparedFlow(scene, letters)
  problems.push(...given.problems)
  let [sent, owedStored] = [witnessed.sent + given.sent, witnessed.stored + given.stored]
  let inLetters = given.deadLetters
  let missing = sent - owedStored - inLetters
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
    sent++
    if (letters.messages.get(message)) inLetters++
    else problems.push(`no dead letter of the message ${JSON.stringify(message)}`)
  }
  for (const line of scene.refused) {
    sent++
    if (letters.others.some((other) => other.startsWith(line))) inLetters++
    else problems.push(`no dead letter of the line ${line}`)
  }
  const reported = dropped + reportedLost + lostAtMost
  // Streams excuse no loss: every accepted sample is stored. Servers may drop only their own metrics, which never pass
  // through Redis.
  const excused = scene.options.broker === 'streams' ? 0 : reported
  if (scene.options.broker === 'streams' && reportedLost + lostAtMost > 0) {
    problems.push(`over streams ${reportedLost + lostAtMost} samples are reported lost`)
  }
  const overReported = Math.max(0, reported - missing)
  // The samples that a server drops may be its own metrics.
  if (scene.countsExactly && overReported > sum('sentinel_own_samples_total', 'own')) {
    problems.push(`${overReported} samples are reported lost or dropped, and are not missing`)
  }
  return {
    ...{ sent, stored: owedStored, deadLetters: inLetters, dropped, droppedBy, reportedLost, lostAtMost, problems },
    overReported,
    duplicatesSeen: sum('sentinel_duplicate_samples_total', ''),
    unaccounted: Math.max(0, missing - excused),
    ...rest,
  }
}

async function comparedFlow(scene: Scene, letters: DeadLetters): Promise<Compared> {
  if (scene.flow === undefined) return { sent: 0, stored: 0, deadLetters: 0, problems: [] }
  const isForgiven = (takenAtMs: number): boolean => scene.isForgiven(takenAtMs)
  return scene.flow.compare({ url: scene.influx.url, database: DATABASE, letters, isForgiven })
}
