import { readFile } from 'node:fs/promises'
import type { Settings } from '../../internal/config/settings.ts'
import { InfluxReader, type InfluxReaderOptions } from '../../internal/store/influx/reader.ts'
import { type InfluxServer, InfluxTransport } from '../../internal/store/influx/transport.ts'
import { InfluxWriter, type InfluxWriterOptions } from '../../internal/store/influx/writer.ts'
import type { StoreReader, StoreWriter } from '../../internal/store/store.ts'
import type { Context } from '../program/context.ts'

/** The writer of InfluxDB. A reload applies its new settings. */
export function connectInfluxWriter({ settings, onReload, releaser }: Context): StoreWriter {
  const writer = new InfluxWriter(writerOptions(settings))
  onReload(['influx'], (changed) => writer.reconfigure(writerOptions(changed)))
  releaser.push('store', () => writer.close())
  return writer
}

/** The reader of InfluxDB. A reload applies its new settings. */
export function connectInfluxReader({ settings, onReload, releaser }: Context): StoreReader {
  const reader = new InfluxReader(readerOptions(settings))
  onReload(['influx'], (changed) => reader.reconfigure(readerOptions(changed)))
  releaser.push('store reader', () => reader.close())
  return reader
}

function writerOptions({ influx }: Settings): InfluxWriterOptions {
  const { org, bucket, writePath, gzip, maxSamples, maxBytes, inFlight } = influx
  const transport = new InfluxTransport(influxServer(influx))
  return { transport, org, bucket, writePath, gzip, limits: { maxSamples, maxBytes, inFlight } }
}

function readerOptions({ influx }: Settings): InfluxReaderOptions {
  return { transport: new InfluxTransport(influxServer(influx)), bucket: influx.bucket }
}

/** Address and credentials from the settings. */
export function influxServer(influx: Settings['influx']): InfluxServer {
  const { url, token = '', tokenFile, username, password, timeoutMs } = influx
  return {
    url: url ?? '',
    // Read again after a 401 or 403, so a replaced file needs no restart.
    token: async () => (tokenFile === undefined ? token : (await readFile(tokenFile, 'utf8')).trimEnd()),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    answerTimeoutMs: timeoutMs,
  }
}
