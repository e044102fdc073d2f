import type { RejectReason } from './border.ts'

/**
 * Every reason why a good sample is dropped. Each word is a label of `sentinel_dropped_samples_total` (of a server) or
 * `sentinel_unsent_samples_total` (of a publisher).
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
 * Where every sample of a server is. Each ends in exactly one of `written`, `rejected` and `dropped`. The rest is
 * `held`: `received + takenOver = written + rejected + dropped + held`.
 */
export class ServerLedger {
  /** Samples. A message that cannot be decoded counts as the samples that it claims to carry, and at least one. */
  received = 0
  written = 0
  /** Samples in the spool at the start: an earlier process received them. */
  takenOver = 0
  /** The part of `received` that the server made itself, its own metrics. */
  own = 0
  /** The part of `own` that found no room. It is in `dropped` too, but no publisher lost it. */
  ownDropped = 0
  /** Messages, of any number of samples. */
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
  /** Samples in the outbox at the start: an earlier process produced them. */
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
