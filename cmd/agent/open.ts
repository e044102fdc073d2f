import type { Broker } from '../../internal/broker/broker.ts'
import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import type { Context } from '../program/context.ts'
import { collectOnceSettled, garbageCollector, keepHeapSmall, useCompilers } from '../program/small-heap.ts'
import { openAgent, openSource } from './agent.ts'
import { lettersOf, openReadingSources } from './reading-sources.ts'

/** What the role `agent` runs: host → publisher → broker, and beside it fabrics, other targets and files where there are any. */
export async function open(context: Context): Promise<void> {
  const { fabric, scrape, gpu } = context.settings
  const asksFabrics = fabric.targets.length + fabric.named.length > 0
  const scrapes = scrape.targets.length > 0
  const isSmall = !asksFabrics && !scrapes && gpu.csv.length === 0
  // `sentinel agent` comes here without the flags.
  if (!isSmall) useCompilers()
  else keepHeapSmall()
  const source = openSource(context)
  const broker = context.settings.broker.useHttp
    ? await openHttp(context)
    : await connectBroker(context, BROKER_USES.measure)
  await openAgent(context, broker, source)
  const letters = lettersOf(context)
  if (asksFabrics)
    await (await import('./fabric.ts')).openFabricSources(context, broker, letters, { collect: garbageCollector() })
  await openReadingSources(context, broker, letters)
  if (isSmall) collectOnceSettled()
}

async function openHttp(context: Context): Promise<Broker> {
  return (await import('./http-broker.ts')).openHttpBroker(context)
}
