import { openAgent, openSource } from '../agent/agent.ts'
import { openFabricSources } from '../agent/fabric.ts'
import { lettersOf, openReadingSources } from '../agent/reading-sources.ts'
import { openApi } from '../api/api.ts'
import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import { connectStore } from '../parts/store.ts'
import type { Context } from '../program/context.ts'
import { openGenerator } from '../generator/generator.ts'
import { openServer } from '../server/server.ts'

/**
 * The fabric of the generator. Page and API say the name, and the series in the store have it as a tag: nobody takes it for
 * a real one, also not later, beside the history of one.
 */
const MADE_UP = 'made-up'

/**
 * What the role `up` runs: agent → server → api in one process, over one broker and one store; with `--fabric` also a
 * generator, whose switches the agent asks.
 */
export async function open(context: Context): Promise<void> {
  const source = openSource(context)
  const broker = await connectBroker(context, Object.values(BROKER_USES).flat())
  const { writer, reader } = await connectStore(context)
  await openServer(context, broker, writer)
  const page = await openApi(context, broker, reader)
  await openAgent(context, broker, source)
  const { generator: isPlayed } = context.settings.fabric
  const played = isPlayed ? [`${MADE_UP}=${await openGenerator(context)}`] : []
  const letters = lettersOf(context)
  await openFabricSources(context, broker, letters, { more: played })
  await openReadingSources(context, broker, letters)
  process.stdout.write(`SentinelStream is up: ${page}\n`)
  if (isPlayed) process.stdout.write(`Its switch fabric is made up: ${page.replace(/\/$/, '')}/?view=fabric\n`)
}
