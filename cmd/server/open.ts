import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import { connectInfluxWriter } from '../parts/influx.ts'
import type { Context } from '../program/context.ts'
import { boundYoungGeneration } from '../program/young-generation.ts'
import { openServer } from './server.ts'

/** What the role `server` runs: broker → pipeline → InfluxDB. */
export async function open(context: Context): Promise<void> {
  boundYoungGeneration()
  const broker = await connectBroker(context, BROKER_USES.ingest)
  await openServer(context, broker, await connectInfluxWriter(context))
}
