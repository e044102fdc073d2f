import { readFile } from 'node:fs/promises'
import type { Settings } from '../../internal/config/settings.ts'
import { InfluxReader, type InfluxReaderOptions } from '../../internal/store/influx/reader.ts'
import { type InfluxServer, InfluxTransport } from '../../internal/store/influx/transport.ts'
import { InfluxWriter, type InfluxWriterOptions } from '../../internal/store/influx/writer.ts'
import type { StoreReader, StoreWriter } from '../../internal/store/store.ts'
import type { Redactor } from '../../internal/text/redactor.ts'
import type { Context } from '../program/context.ts'

/** The writer of InfluxDB. A reload applies its new settings. */
export function connectInfluxWriter({ settings, onReload, releaser, redactor }: Context): StoreWriter {
  const writer = new InfluxWriter(writerOptions(settings, redactor))
  onReload(['influx'], (changed) => writer.reconfigure(writerOptions(changed, redactor)))
  releaser.push('store', () => writer.close())
  return writer
}

/** The reader of InfluxDB. A reload applies its new settings. */
export function connectInfluxReader({ settings, onReload, releaser, redactor }: Context): StoreReader {
  const reader = new InfluxReader(readerOptions(settings, redactor))
  onReload(['influx'], (changed) => reader.reconfigure(readerOptions(changed, redactor)))
  releaser.push('store reader', () => reader.close())
  return reader
}

function writerOptions({ influx }: Settings, redactor: Redactor): InfluxWriterOptions {
  const { org, bucket, writePath, gzip, maxSamples, maxBytes, inFlight } = influx
  const transport = new InfluxTransport(influxServer(influx, redactor))
  return { transport, org, bucket, writePath, gzip, limits: { maxSamples, maxBytes, inFlight } }
}

function readerOptions({ influx }: Settings, redactor: Redactor): InfluxReaderOptions {
  return { transport: new InfluxTransport(influxServer(influx, redactor)), bucket: influx.bucket }
}

/** Address and credentials from the settings. @param redactor learns each token that is read later */
export function influxServer(influx: Settings['influx'], redactor: Redactor): InfluxServer {
  const { url, token = '', tokenFile, username, password, timeoutMs } = influx
  return {
    url: url ?? '',
    // Read again after a 401 or 403, so a replaced file needs no restart.
    token: async () => {
      if (tokenFile === undefined) return token
      const current = (await readFile(tokenFile, 'utf8')).trimEnd()
      redactor.add([current])
      return current
    },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    answerTimeoutMs: timeoutMs,
  }
}
