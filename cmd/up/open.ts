import { openAgent, openSource } from '../agent/agent.ts'
import { openApi } from '../api/api.ts'
import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import { connectStore } from '../parts/store.ts'
import type { Context } from '../program/context.ts'
import { openServer } from '../server/server.ts'

/** What the role `up` runs: agent → server → api in one process, over one broker and one store. */
export async function open(context: Context): Promise<void> {
  const source = openSource(context)
  const broker = await connectBroker(context, Object.values(BROKER_USES).flat())
  const { writer, reader } = await connectStore(context)
  await openServer(context, broker, writer)
  const address = await openApi(context, broker, reader)
  await openAgent(context, broker, source)
  // A browser cannot open the address that stands for all addresses of this machine.
  const page = address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
  process.stdout.write(`SentinelStream is up: ${page}\n`)
}
