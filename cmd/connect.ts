import { readFile } from 'node:fs/promises'
import type { Broker } from '../internal/broker/broker.ts'
import { openBroker } from '../internal/broker/open.ts'
import { openDuckDb } from '../internal/store/duckdb/open.ts'
import { InfluxReader } from '../internal/store/influx/query.ts'
import { type InfluxServer, InfluxTransport } from '../internal/store/influx/transport.ts'
import { InfluxWriter } from '../internal/store/influx/writer.ts'
import type { StoreReader, StoreWriter } from '../internal/store/store.ts'
import type { Context } from './context.ts'

/** The broker that the settings name. It closes after all that is opened from now on. */
export async function connectBroker({ settings, logger, releaser, readiness }: Context): Promise<Broker> {
  const { kind, topic, partitions, group, consumer, maxLength, visibilityMs } = settings.broker
  const redis = { url: settings.redis.url ?? '', password: settings.redis.password }
  const broker = await openBroker(
    kind === 'memory'
      ? { kind, logger }
      : kind === 'pubsub'
        ? { kind, logger, redis, partitions }
        : { kind, logger, redis, topic, partitions, group, consumer, maxLength, visibilityMs },
  )
  releaser.push('broker', () => broker.close())
  readiness.push(() => broker.health().problem)
  return broker
}

/** The writing end of InfluxDB. */
export function connectInfluxWriter(context: Context): StoreWriter {
  const { org, bucket, writePath, gzip, maxSamples, maxBytes, inFlight } = context.settings.influx
  const limits = { maxSamples, maxBytes, inFlight }
  const transport = new InfluxTransport(influxServer(context))
  const writer = new InfluxWriter({ transport, org, bucket, writePath, gzip, limits })
  context.releaser.push('store', () => writer.close())
  return writer
}

/** The reading end of InfluxDB. */
export function connectInfluxReader(context: Context): StoreReader {
  const reader = new InfluxReader({
    transport: new InfluxTransport(influxServer(context)),
    bucket: context.settings.influx.bucket,
  })
  context.releaser.push('store reader', () => reader.close())
  return reader
}

/** Both ends of whichever store the settings name, for a process that has both. */
export async function connectStore(context: Context): Promise<{ writer: StoreWriter; reader: StoreReader }> {
  if (context.settings.store.kind === 'influx') {
    return { writer: connectInfluxWriter(context), reader: connectInfluxReader(context) }
  }
  const { clock, logger, settings, releaser } = context
  const { path, retentionMs, memoryLimitBytes } = settings.duckdb
  const memoryLimitMb = Math.floor(memoryLimitBytes / 1024 ** 2)
  const store = await openDuckDb({ path, retentionMs, memoryLimitMb, clock, logger })
  releaser.push('store', () => store.close())
  return store
}

function influxServer({ settings }: Context): InfluxServer {
  const { url, token = '', tokenFile, username, password, timeoutMs } = settings.influx
  return {
    url: url ?? '',
    // Asked for again after a 401: whoever replaced the file need not restart anything.
    token: async () => (tokenFile === undefined ? token : (await readFile(tokenFile, 'utf8')).trimEnd()),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    answerTimeoutMs: timeoutMs,
  }
}
