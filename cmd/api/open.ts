import { BROKER_USES, connectBroker } from '../parts/broker.ts'
import { connectInfluxReader } from '../parts/influx.ts'
import type { Context } from '../program/context.ts'
import { openApi } from './api.ts'

/** What the role `api` runs: live feed and InfluxDB → HTTP. */
export async function open(context: Context): Promise<void> {
  const broker = await connectBroker(context, BROKER_USES.serve)
  const page = await openApi(context, broker, await connectInfluxReader(context))
  context.logger.info({ page, host: context.settings.api.host }, 'api listens')
}
