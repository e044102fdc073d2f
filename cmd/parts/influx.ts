import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import type { Settings } from '../../internal/config/settings.ts'
import { InfluxReader, type InfluxReaderOptions } from '../../internal/store/influx/reader.ts'
import { type InfluxServer, InfluxTransport } from '../../internal/store/influx/transport.ts'
import { InfluxWriter, type InfluxWriterOptions } from '../../internal/store/influx/writer.ts'
import type { StoreWriter } from '../../internal/store/store.ts'
import type { Redactor } from '../../internal/text/redactor.ts'
import type { Context } from '../program/context.ts'
import { openClientTls } from './tls.ts'

/** The writer of InfluxDB. A reload applies its new settings, and so do new certificates. */
export async function connectInfluxWriter(context: Context): Promise<StoreWriter> {
  const { settings, onReload, releaser, redactor } = context
  const writerOptions = (changed: Settings): InfluxWriterOptions => {
    const { org, bucket, writePath, gzip, maxSamples, maxBytes, inFlight } = changed.influx
    const transport = new InfluxTransport(influxServer(changed.influx, redactor, tls))
    return { transport, org, bucket, writePath, gzip, limits: { maxSamples, maxBytes, inFlight } }
  }
  const tls = await openClientTls(context, 'influx', () => writer.reconfigure(writerOptions(context.settings)))
  const writer = new InfluxWriter(writerOptions(settings))
  onReload(['influx'], (changed) => writer.reconfigure(writerOptions(changed)))
  releaser.push('store', () => writer.close())
  return writer
}

/** The reader of InfluxDB. A reload applies its new settings, and so do new certificates. */
export async function connectInfluxReader(context: Context): Promise<InfluxReader> {
  const { settings, onReload, releaser, redactor } = context
  const readerOptions = ({ influx }: Settings): InfluxReaderOptions => ({
    transport: new InfluxTransport(influxServer(influx, redactor, tls)),
    bucket: influx.bucket,
  })
  const tls = await openClientTls(context, 'influx', () => reader.reconfigure(readerOptions(context.settings)))
  const reader = new InfluxReader(readerOptions(settings))
  onReload(['influx'], (changed) => reader.reconfigure(readerOptions(changed)))
  releaser.push('store reader', () => reader.close())
  return reader
}

/**
 * Address and credentials from the settings.
 *
 * @param redactor learns each token that is read later
 * @param tls authority and certificate for `https://`
 */
export function influxServer(influx: Settings['influx'], redactor: Redactor, tls?: ConnectionOptions): InfluxServer {
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
    tls,
    answerTimeoutMs: timeoutMs,
  }
}
