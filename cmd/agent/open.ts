import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import type { Context } from '../program/context.ts'
import { collectOnceSettled, keepHeapSmall } from '../program/small-heap.ts'
import { openAgent, openSource } from './agent.ts'

/** What the role `agent` runs: host → publisher → broker. */
export async function open(context: Context): Promise<void> {
  // `sentinel agent` comes here without the flags.
  keepHeapSmall()
  const source = openSource(context)
  await openAgent(context, await connectBroker(context, BROKER_USES.measure), source)
  collectOnceSettled()
}
