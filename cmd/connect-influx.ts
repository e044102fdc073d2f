import { readFile } from 'node:fs/promises'
import { InfluxReader } from '../internal/store/influx/query.ts'
import { type InfluxServer, InfluxTransport } from '../internal/store/influx/transport.ts'
import { InfluxWriter } from '../internal/store/influx/writer.ts'
import type { StoreReader, StoreWriter } from '../internal/store/store.ts'
import type { Context } from './context.ts'

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
