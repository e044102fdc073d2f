/** What bounds the age of a batch, ms. */
export interface AgeBounds {
  /** The least age, and the most. Both win over the target. */
  readonly flushMinMs: number
  readonly flushMaxMs: number
  /** 99 of 100 messages shall be stored within this time. */
  readonly durableTargetMs: number
}

/** What the store's recent writes took, ms: half of them, and 95 of 100, no more than this. */
export interface WriteTimes {
  readonly typicalMs: number
  readonly tailMs: number
}

/**
 * The part of the target that is left for what is not measured here: the way to this server (5 ms at p99 with what
 * gathers in the socket), timers that fire 1 ms late, and the writes beyond the tail. With 15 % the p99 was 50.4 ms of 50,
 * with 25 % 52.0 on a slower machine.
 */
const MARGIN = 0.35

/**
 * The part of the target that a batch may always take. At 10 ms of 50, what four servers wrote 130 times a second kept the
 * store so busy that a write took 30 ms, which left no more than 10 ms: with fewer writes each is quicker.
 */
const LEAST = 0.3

/**
 * The age at which an open batch is sealed while a slot is free and samples follow one another.
 *
 * It is what the target leaves beside a write, and three tenths of it at least: fewer writes cost this process and the store
 * less. Where a write takes so long that not even the least age meets the target, many small writes would only be late
 * too, and keep the store busy: the age then grows with what is lacking, up to the time of a write. It has no step and no steeper slope,
 * because a larger batch takes longer to write: the two would swing, or stay at old batches for ever.
 */
export function batchAgeMs(
  { flushMinMs, flushMaxMs, durableTargetMs }: AgeBounds,
  { typicalMs, tailMs }: WriteTimes,
): number {
  const leftMs = durableTargetMs * (1 - MARGIN) - tailMs
  const ageMs = leftMs >= flushMinMs ? leftMs : Math.min(flushMinMs + (flushMinMs - leftMs), typicalMs)
  return Math.min(flushMaxMs, Math.max(flushMinMs, durableTargetMs * LEAST, ageMs))
}

/** How long a read and the delivery of what it brings take: a batch that ends within this time gets no more from one. */
export const READ_MS = 3
/**
 * The part of the target that a message may wait in the broker. The write that follows has a longer tail than a batch that was filled
 * meanwhile: with half of the target the p99 of four servers was 56 ms of 50, with two fifths 52.6.
 */
export const READ_WAIT = 0.36
