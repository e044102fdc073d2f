import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import type { Context } from '../program/context.ts'
import { collectOnceSettled, garbageCollector, keepHeapSmall, useCompilers } from '../program/small-heap.ts'
import { openAgent, openSource } from './agent.ts'

/** What the role `agent` runs: host → publisher → broker, and fabrics beside it where there are any. */
export async function open(context: Context): Promise<void> {
  const { targets, named } = context.settings.fabric
  const asksFabrics = targets.length + named.length > 0
  // `sentinel agent` comes here without the flags.
  if (asksFabrics) useCompilers()
  else keepHeapSmall()
  const source = openSource(context)
  const broker = await connectBroker(context, BROKER_USES.measure)
  await openAgent(context, broker, source)
  if (asksFabrics)
    await (await import('./fabric.ts')).openFabricSources(context, broker, { collect: garbageCollector() })
  else collectOnceSettled()
}
