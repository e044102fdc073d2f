import { type FileHandle, open } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import { type LoadOptions, type LoadResult, runLoad, type ServerAccess } from '../../bench/load/load.ts'
import { storeCount } from '../../bench/load/store-count.ts'
import { LatencyLog, writeHistograms } from '../../bench/report/histogram-files.ts'
import { conditionOf } from '../../bench/report/report.ts'
import { statsLines, summaryTable } from '../../bench/report/table.ts'
import { Interrupted, interruptible } from '../../bench/run/interruption.ts'
import { openOutFolder } from '../../bench/run/out-folder.ts'
import { EXIT } from '../../internal/config/error.ts'
import type { LoadedSettings } from '../../internal/config/load.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { Redactor } from '../../internal/text/redactor.ts'
import { readMaterial } from '../../internal/tls/material.ts'
import { influxServer } from '../parts/influx.ts'
import { readClientTls } from '../parts/tls.ts'
import type { LoadFlags } from './load-flags.ts'
import { Progress } from './progress.ts'

/** Runs the load that the flags describe, and prints the results. @returns the exit code */
export async function playLoad(flags: LoadFlags, { settings, warnings, secrets }: LoadedSettings): Promise<number> {
  const redactor = new Redactor(secrets)
  const progress = new Progress(process.stderr)
  for (const warning of warnings) progress.say(warning)
  // Opened first, so that a run of an hour does not end with a file that cannot be written.
  const file = flags.json === undefined ? undefined : await open(flags.json, 'w').catch(cannotWrite(flags.json))
  const hdrFolder = flags.hdr === undefined ? undefined : await openOutFolder(flags.hdr, '--hdr')
  const influxTls = await readClientTls(settings, 'influx')
  const transport = new InfluxTransport(influxServer(settings.influx, redactor, influxTls))
  const redisTls = await readClientTls(settings, 'redis')
  try {
    return await interruptible(
      async (signal) => {
        const options = {
          ...loadOptions(flags, settings, transport, progress, redisTls),
          serverAccess: await serverAccess(flags, settings),
        }
        const log = hdrFolder === undefined ? undefined : new LatencyLog()
        const load = await runLoad({ ...options, onLatencies: log && ((interval) => log.add(interval)) }, signal)
        progress.clear()
        await show(load, flags, file)
        if (hdrFolder !== undefined && log !== undefined) await writeHistograms(load, log, hdrFolder)
        if (load.balance === '') return EXIT.ok
        progress.say(`bench: ${load.balance}`)
        return EXIT.failed
      },
      () => progress.say('stopped sending; waiting some seconds for what was sent. A second signal ends at once'),
    )
  } catch (error) {
    progress.clear()
    if (!(error instanceof Interrupted)) throw redactor.hideIn(error)
    progress.say('bench: stopped before its time')
    return error.exitCode
  } finally {
    transport.close()
    await file?.close()
  }
}

function loadOptions(
  flags: LoadFlags,
  { redis, broker, influx }: Settings,
  transport: InfluxTransport,
  progress: Progress,
  tls: ConnectionOptions | undefined,
): LoadOptions {
  const { topic, partitions, maxLength } = broker
  return {
    redis: { url: redis.url ?? '', password: redis.password, tls },
    // The settings of the role `server` allow only these two of the three kinds.
    broker: { kind: broker.kind === 'streams' ? 'streams' : 'pubsub', topic, partitions, maxLength },
    format: flags.format,
    workers: flags.workers,
    ratePerSecond: flags.rate === 0 ? undefined : flags.rate,
    durationMs: flags.duration,
    warmupMs: flags.warmup,
    hosts: flags.hosts,
    samplesPerMessage: flags.samplesPerMessage,
    values: flags.values,
    threads: flags.threads,
    servers: flags.server,
    countStored: flags.count ? storeCount(transport, influx.bucket) : undefined,
    onProgress: (where) => progress.load(where),
  }
}

/** The token comes before the key: it opens the admin listener of each role. */
async function serverAccess(flags: LoadFlags, { auth }: Settings): Promise<ServerAccess> {
  const { serverCaFile: caFile, serverCertFile: certFile, serverKeyFile: keyFile, serverName: servername } = flags
  const { serviceToken, key } = auth
  const files = await readMaterial({ caFile, certFile, keyFile })
  return {
    headers:
      serviceToken !== undefined ? { 'x-service-token': serviceToken } : key !== undefined ? { 'x-api-key': key } : {},
    tls: servername === undefined ? files : { ...files, servername },
  }
}

async function show(
  load: LoadResult,
  { settings: _, ...flags }: LoadFlags,
  file: FileHandle | undefined,
): Promise<void> {
  const pass = {
    name: flags.format,
    condition: conditionOf(flags.rate === 0 ? undefined : flags.rate),
    pipeline: 'ours',
    format: flags.format,
    serverCount: flags.server.length,
    startedAt: new Date(load.startUs / 1000).toISOString(),
    load,
    profiles: { cpu: undefined, heap: [] },
    histograms: undefined,
  } as const
  process.stdout.write(`${[...statsLines(pass), summaryTable({ passes: [pass] })].join('\n')}`)
  const text = `${JSON.stringify({ startedAt: pass.startedAt, flags, load }, undefined, 2)}\n`
  await file?.writeFile(text).catch(cannotWrite(flags.json))
}

function cannotWrite(path: string | undefined): (cause: Error) => never {
  return (cause) => {
    throw new Error(`--json: ${JSON.stringify(path)} cannot be written: ${cause.message}`, { cause })
  }
}
