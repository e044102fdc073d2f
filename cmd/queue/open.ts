import type { Context } from '../program/context.ts'
import { openQueue } from './queue.ts'

/** What the role `queue` runs: HTTP → Redis Streams, and the disk where Redis does not take it. */
export async function open(context: Context): Promise<void> {
  await openQueue(context)
}
