import { influxQuery } from '../support/influx.ts'
import { sleep } from '../support/servers.ts'
import type { Figures } from './ledgers.ts'
import { imbalanceOfPublisher, imbalanceOfServer } from './ledgers.ts'
import type { Member } from './member.ts'
import { MEASUREMENT } from './samples.ts'
import { DATABASE, type Scene } from './scene.ts'
import { unackedEntries } from './unacked.ts'

export interface Rest {
  /** Times from the end of the fault: until a sample made after it is stored, and until no program holds any sample. */
  readonly freshAfterMs: number
  readonly caughtUpAfterMs: number
}

/**
 * Called when the faults have stopped. Waits until no program holds any sample, checks the ledgers, and stops all
 * programs.
 *
 * @param restMs how long to wait for that
 * @param problems gets everything that is wrong
 */
export async function comeToRest(scene: Scene, restMs: number, problems: string[]): Promise<Rest> {
  const { servers, publisher, agent } = scene
  const healedMs = Date.now()
  const deadlineMs = healedMs + restMs

  const freshAfterMs = await freshSample(scene, deadlineMs)
  if (freshAfterMs < 0) problems.push('no fresh sample was stored after the fault')
  publisher.signal('SIGUSR2')
  await restOfFlow(scene, deadlineMs, problems)
  const isEmpty = await publisher.until((figures) => isZero(figures, 'sentinel_outbox_samples'), deadlineMs)
  if (!isEmpty) problems.push(`${publisher.name} still holds samples`)
  await restOf(servers, ['sentinel_held_samples'], deadlineMs, problems)
  const caughtUpAfterMs = Date.now() - healedMs

  const published = await publisher.look()
  if (published !== undefined) problems.push(...imbalanceOfPublisher(publisher.name, published))
  await publisher.stop()
  await agent?.stop()
  for (const member of scene.flow?.members ?? []) await member.stop()
  await restOf(servers, ['sentinel_held_samples', 'sentinel_missing_samples'], deadlineMs, problems)
  for (const server of servers) {
    const figures = await server.look()
    if (figures !== undefined) problems.push(...imbalanceOfServer(server.name, figures))
    await server.stop()
  }
  for (const member of scene.members) problems.push(...member.problems)
  return { freshAfterMs, caughtUpAfterMs }
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

/** Ends what comes on the other way, and waits until its programs have handed on all of it, and servers have read it. */
async function restOfFlow({ flow, redis }: Scene, deadlineMs: number, problems: string[]): Promise<void> {
  if (flow === undefined) return
  await flow.hold()
  const [{ name }] = flow.members as [Member]
  const isThrough = async (): Promise<boolean> => (await flow.hasSent()) && (await unackedEntries(redis.url)) === 0
  while (!(await isThrough())) {
    if (Date.now() > deadlineMs) {
      problems.push(`${name} has not handed on all, or servers have not read it`)
      break
    }
    await sleep(100)
  }
  for (const member of flow.members) {
    const figures = await member.look()
    if (figures !== undefined) problems.push(...imbalanceOfPublisher(member.name, figures))
  }
}

/** Waits until these gauges of all servers are 0. */
async function restOf(
  servers: readonly Member[],
  gauges: readonly string[],
  deadlineMs: number,
  problems: string[],
): Promise<void> {
  for (const server of servers) {
    const rests = await server.until((figures) => gauges.every((gauge) => isZero(figures, gauge)), deadlineMs)
    if (!rests) {
      const figures = await server.look()
      const values = gauges.map((gauge) => `${gauge} ${figures?.get(gauge) ?? 'unknown'}`)
      problems.push(`${server.name} does not come to rest: ${values.join(', ')}`)
    }
  }
}

function isZero(figures: Figures, gauge: string): boolean {
  return (figures.get(gauge) ?? 0) === 0
}
