import type { RejectReason } from './border.ts'

/**
 * Why a sample that was fine did not reach the store. One catalogue: each word is a label of `sentinel_dropped_samples_total` (a server's) or
 * `sentinel_unsent_samples_total` (a publisher's).
 */
export const DROP_REASONS = [
  'queue_full',
  'outbox_full',
  'outbox_age',
  'outbox_damaged',
  'spool_full',
  'spool_damaged',
  'broker_refused',
  'message_too_large',
  'stopped',
] as const
export type DropReason = (typeof DROP_REASONS)[number]

/**
 * Where every sample of a server is. Each ends in exactly one of `written`, `rejected`, `dropped`; the rest is `held`:
 * `received + takenOver = written + rejected + dropped + held`. Plain numbers, read when somebody asks.
 */
export class ServerLedger {
  /** Samples; a message that cannot be decoded counts as those that it says it carries, one at least. */
  received = 0
  written = 0
  /** Found in the spool at the start: an earlier process received them. */
  takenOver = 0
  /** Those of `received` that the server made itself, its own figures: no wire brought them. */
  own = 0
  /** Those of `own` that found no room, and are in `dropped`: what came over a wire lacks none for them. */
  ownDropped = 0
  /** Messages, however many samples each carried. */
  messages = 0
  readonly rejectedBy = new Map<RejectReason, number>()
  readonly droppedBy = new Map<DropReason, number>()

  reject(reason: RejectReason, samples = 1): void {
    this.rejectedBy.set(reason, (this.rejectedBy.get(reason) ?? 0) + samples)
  }

  drop(reason: DropReason, samples = 1): void {
    this.droppedBy.set(reason, (this.droppedBy.get(reason) ?? 0) + samples)
  }

  get rejected(): number {
    return sum(this.rejectedBy)
  }

  get dropped(): number {
    return sum(this.droppedBy)
  }

  get held(): number {
    return this.received + this.takenOver - this.written - this.rejected - this.dropped
  }
}

/** Where every sample of a publisher is: `produced + takenOver = sent + dropped + held`. */
export class PublisherLedger {
  produced = 0
  /** Found in the outbox at the start: an earlier process produced them. */
  takenOver = 0
  sent = 0
  readonly droppedBy = new Map<DropReason, number>()

  drop(reason: DropReason, samples: number): void {
    this.droppedBy.set(reason, (this.droppedBy.get(reason) ?? 0) + samples)
  }

  get dropped(): number {
    return sum(this.droppedBy)
  }

  get held(): number {
    return this.produced + this.takenOver - this.sent - this.dropped
  }
}

function sum(counts: Map<string, number>): number {
  let total = 0
  for (const count of counts.values()) total += count
  return total
}
