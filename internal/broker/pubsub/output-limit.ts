import type { Redis } from 'ioredis'
import type { CutOff, OutputLimit } from '../broker.ts'
import { isReply } from '../redis/problem.ts'

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

/** What comes in for this long is the present rate. */
const RATE_MS = 1000

/** Asks Redis for its limit and for its present rate: takes a second. What it refuses is left open. */
export async function askCutOff(client: Redis): Promise<CutOff> {
  const refused = (error: unknown): undefined => {
    if (!isReply(error)) throw error
  }
  const limit = await readOutputLimit(client).catch(refused)
  // A publisher's command is as long as the message that a subscriber gets.
  const before = await readInputBytes(client).catch(refused)
  if (before === undefined) return { limit: limit ?? DEFAULT_OUTPUT_LIMIT, isAssumed: limit === undefined }
  const beganMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, RATE_MS))
  const came = (await readInputBytes(client)) - before
  const bytesPerSecond = (came / (performance.now() - beganMs)) * 1000
  return { limit: limit ?? DEFAULT_OUTPUT_LIMIT, isAssumed: limit === undefined, bytesPerSecond }
}

/** All that came in since the start of Redis. The user needs the right `+info`. */
async function readInputBytes(client: Redis): Promise<number> {
  return Number(/^total_net_input_bytes:(\d+)/m.exec(await client.info('stats'))?.[1] ?? 0)
}
