import type { Redis } from 'ioredis'

/** When Redis cuts a subscriber off, and all that waits for it is lost: `client-output-buffer-limit pubsub`. */
export interface OutputLimit {
  /** At so many unread bytes, at once; Infinity where never. */
  readonly hardBytes: number
  /** When so many bytes have been unread all through `softMs`; Infinity where never. */
  readonly softBytes: number
  readonly softMs: number
}

/** What Redis has unless it is told otherwise: `pubsub 32mb 8mb 60`. */
export const DEFAULT_OUTPUT_LIMIT: OutputLimit = { hardBytes: 32 * 2 ** 20, softBytes: 8 * 2 ** 20, softMs: 60_000 }

/** Asks Redis. The user needs the right `+config|get`. @throws what Redis answers otherwise */
export async function readOutputLimit(client: Redis): Promise<OutputLimit> {
  const reply = (await client.call('CONFIG', 'GET', 'client-output-buffer-limit')) as readonly string[]
  return parseOutputLimit(reply[1] ?? '')
}

/** @param text `normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60`; 0 means no limit */
export function parseOutputLimit(text: string): OutputLimit {
  const [, hard, soft, softSeconds] = /\bpubsub (\d+) (\d+) (\d+)/.exec(text) ?? []
  if (softSeconds === undefined) return DEFAULT_OUTPUT_LIMIT
  const bytes = (digits: string | undefined): number => Number(digits) || Infinity
  // A soft limit without a time is none: Redis asks for both.
  const hasSoft = Number(softSeconds) > 0
  return {
    hardBytes: bytes(hard),
    softBytes: hasSoft ? bytes(soft) : Infinity,
    softMs: hasSoft ? Number(softSeconds) * 1000 : Infinity,
  }
}
