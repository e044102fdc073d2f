import type { GatewayState, GroupState, OnDisk, PartitionState } from '../../broker/queue-state.ts'
import { countOf, countText } from '../../text/count.ts'
import { ageText } from '../../text/duration.ts'

/** A gateway says each second how it stands. */
export const SAYS_WITHIN_MS = 10_000
/** A server that starts again is away for less. */
const UNREAD_MS = 30_000
/** What waits so long while somebody reads does not go by itself. */
const BEHIND_MS = 300_000
/** A part of a bound at which it is time to do something. */
const NEARLY = 0.8

interface Samples {
  /** The topic of samples. */
  readonly topic: string
  readonly trimsAt: number | undefined
}

/** What has to be done for a group; nothing where it goes on by itself. @param isRead whether somebody reads for it now */
export function attentionOfGroup(
  { topic, partition }: Pick<PartitionState, 'topic' | 'partition'>,
  { group, lag, pending, oldestAgeMs, idleMs = Infinity }: GroupState,
  isRead: boolean,
  samples: Samples,
): string[] {
  // An unknown lag is that of an old Redis: its oldest message tells.
  if (oldestAgeMs === 0) return []
  const reader = topic === samples.topic ? 'a server (--broker-kind streams), or a consumer,' : 'a consumer'
  const found: string[] = []
  if (!isRead && Math.min(idleMs, oldestAgeMs) >= UNREAD_MS) {
    const since = Number.isFinite(idleMs) ? `for ${ageText(idleMs)}` : 'yet'
    found.push(
      `Nobody reads for group ${group} ${since}: start ${reader} or let go of it with XGROUP DESTROY 'queue:{${topic}:${partition}}' ${group}`,
    )
  }
  if (isRead && oldestAgeMs >= BEHIND_MS) {
    const what = pending > 0 && lag === 0 ? 'acknowledge' : 'keep up'
    found.push(
      `Group ${group} is ${ageText(oldestAgeMs)} behind: its readers do not ${what}; see their log, or start more of them`,
    )
  }
  if (topic === samples.topic && samples.trimsAt !== undefined && (lag ?? 0) >= NEARLY * samples.trimsAt) {
    found.push(
      `Group ${group} has ${countText(lag ?? 0)} unread, and beyond ${countText(samples.trimsAt)} the oldest are trimmed: start more servers, or raise broker.maxLength`,
    )
  }
  return found
}

/** What has to be done for a partition beside that of its groups. */
export function attentionOfPartition(
  { topic, length, firstAgeMs, groups }: PartitionState,
  onDisk: ReadonlyArray<OnDisk & Pick<GatewayState, 'name' | 'ageMs'>>,
  samples: Pick<Samples, 'topic'>,
): string[] {
  const found: string[] = []
  if (groups.length === 0 && length > 0 && firstAgeMs >= UNREAD_MS) {
    const reader = topic === samples.topic ? 'a server (--broker-kind streams) or a consumer' : 'a consumer'
    found.push(`No group reads it: start ${reader}`)
  }
  for (const { name, ageMs, messages } of onDisk) {
    if (ageMs < SAYS_WITHIN_MS) continue
    found.push(
      `${countOf(messages, 'message')} on the disk of ${name}, which has said nothing for ${ageText(ageMs)}: start it again with the same data folder`,
    )
  }
  return found
}

/** What has to be done for the disk of a gateway. */
export function attentionOfGateway({ name, ageMs, problem, bytes, maxBytes, onDisk }: GatewayState): string[] {
  const found: string[] = []
  if (ageMs >= SAYS_WITHIN_MS && onDisk.length > 0) {
    found.push(
      `${name} has said nothing for ${ageText(ageMs)}, and its disk has messages: start it again with the same data folder`,
    )
  }
  if (problem !== '') found.push(`${name} cannot use its disk: ${problem}`)
  if (bytes >= NEARLY * maxBytes) {
    found.push(
      `The disk of ${name} is ${Math.floor((100 * bytes) / maxBytes)} % full, and beyond queue.maxBytes it takes nothing: see who does not read, or raise the bound`,
    )
  }
  return found
}
