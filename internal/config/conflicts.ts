import { hasDuty, type Role } from './role.ts'
import { MOST_ROWS } from './settings/generator.ts'
import type { Settings } from './settings.ts'
import { showTarget } from './targets.ts'
import { formatDuration } from './units.ts'

/** What works and may not be what was meant, as lines for people who check their settings. */
export function notes(role: Role, { broker, intake }: Settings): string[] {
  if (!hasDuty(role, 'serve') || !intake.enabled || broker.kind !== 'pubsub') return []
  return [
    'the intake (POST /api/v2/write, /write) answers 503 over broker.kind pubsub, where nothing would be durable: for it run every role with broker.kind streams, or set intake.enabled to false',
  ]
}

/** The problems of settings that are valid alone but not together or not in this role, each with what to do. */
export function conflicts(role: Role, settings: Settings): string[] {
  const { admin, api, broker, fabric, generator, ingest, queue, scrape, store } = settings
  const found: string[] = []
  const embeds = hasDuty(role, 'embed')
  if (!embeds && hasDuty(role, 'measure', 'ingest', 'serve') && broker.kind === 'memory') {
    found.push(
      `broker.kind memory works inside one process only, and ${role.name} alone would reach no other: run "sentinel up", or set pubsub or streams`,
    )
  }
  if (!embeds && hasDuty(role, 'ingest', 'serve') && store.kind === 'duckdb') {
    found.push(
      `store.kind duckdb is a file that only one process can open: run "sentinel up", or set influx for ${role.name}`,
    )
  }
  for (const [key, duty, { host, port }] of [
    ['api.port', 'serve', api],
    ['generator.port', 'generate', generator],
    ['queue.port', 'queue', queue],
  ] as const) {
    if (hasDuty(role, duty) && admin.port === port && port !== 0 && admin.host === host) {
      found.push(`admin.port and ${key} are both ${port}: change one of them`)
    }
  }
  found.push(...tlsConflicts(role, settings))
  if (hasDuty(role, 'serve') && api.sharedLimits && broker.kind === 'memory') {
    found.push(
      'api.sharedLimits counts over Redis, which broker.kind memory does without: set redis.url, or leave it out',
    )
  }
  if (embeds && fabric.generator && fabric.targets.length + fabric.named.length > 0) {
    found.push(
      'fabric.generator (--fabric) would show a fabric that is not there among those of fabric.targets or fabric.named: leave one of them out',
    )
  }
  if (hasDuty(role, 'measure')) found.push(...lateAnswers(scrape))
  const asCsv = embeds && fabric.generator ? 'fabric.generator (--fabric)' : generator.push === undefined ? '' : 'generator.push' // biome-ignore format: one line
  if (hasDuty(role, 'generate') && asCsv !== '' && /^dcgm/.test(generator.profile)) {
    found.push(
      `generator.profile ${generator.profile} is no CSV of a fabric, which ${asCsv} wants: take switch, fabric or ufm, or leave ${asCsv} out`,
    )
  }
  const ports = generator.switches * generator.portsPerSwitch
  if (hasDuty(role, 'generate') && generator.profile === 'ufm' && ports > MOST_ROWS) {
    found.push(
      `generator.switches (${generator.switches}) times generator.portsPerSwitch (${generator.portsPerSwitch}) is more than ${MOST_ROWS} rows: lower one of them`,
    )
  }
  if (broker.useHttp && hasDuty(role, 'measure') && !embeds && fabric.targets.length + fabric.named.length > 0) {
    found.push(
      'broker.useHttp cannot carry the rows of fabrics, which APIs read from Redis: leave out fabric.targets and fabric.named, or set broker.useHttp to false',
    )
  }
  if (ingest.flushMinMs > ingest.flushMaxMs) {
    found.push(
      `ingest.flushMinMs (${ingest.flushMinMs}) must not be above ingest.flushMaxMs (${ingest.flushMaxMs}): lower it, or raise the other`,
    )
  }
  if (hasDuty(role, 'queue') && broker.partitions > queue.maxPartitions) {
    found.push(
      `broker.partitions (${broker.partitions}) must not be above queue.maxPartitions (${queue.maxPartitions}): lower it, or raise the other`,
    )
  }
  const beyond = broker.consumes.find((partition) => partition >= broker.partitions)
  if (beyond !== undefined) {
    found.push(
      `broker.consumes names partition ${beyond}, but broker.partitions is ${broker.partitions}, and partitions are counted from 0`,
    )
  }
  return found
}

/** Settings of TLS that have no effect without another one. */
function tlsConflicts(role: Role, { admin, api, queue, redis, influx, broker }: Settings): string[] {
  const found: string[] = []
  const listeners = [
    ['admin', admin, true],
    ['api', api, hasDuty(role, 'serve')],
    ['queue', queue, hasDuty(role, 'queue')],
  ] as const
  for (const [group, { tlsCert, tlsKey, tlsClientCa }, isUsed] of listeners) {
    if (!isUsed) continue
    if ((tlsCert === undefined) !== (tlsKey === undefined))
      found.push(`${group}.tlsCert and ${group}.tlsKey belong together: name both or none`)
    if (tlsClientCa !== undefined && tlsCert === undefined)
      found.push(`${group}.tlsClientCa is for a port with TLS: set ${group}.tlsCert and ${group}.tlsKey too`)
  }
  const clients = [
    ['redis.', redis, redis.url, 'rediss:', hasDuty(role, 'measure', 'ingest', 'serve', 'queue')],
    ['influx.', influx, influx.url, 'https:', hasDuty(role, 'ingest', 'serve')],
    ['broker.http', httpTls(broker), broker.httpUrl, 'https:', hasDuty(role, 'measure') && broker.useHttp],
  ] as const
  for (const [prefix, { caFile, certFile, keyFile }, url = '', scheme, isUsed] of clients) {
    if (!isUsed) continue
    const name = (key: string): string => (prefix.endsWith('.') ? prefix + key : `${prefix}${key[0]!.toUpperCase()}${key.slice(1)}`) // biome-ignore format: one line
    if ((certFile === undefined) !== (keyFile === undefined))
      found.push(`${name('certFile')} and ${name('keyFile')} belong together: name both or none`)
    const [given] = Object.entries({ caFile, certFile }).find(([, value]) => value !== undefined) ?? []
    if (given !== undefined && url !== '' && !url.toLowerCase().startsWith(scheme))
      found.push(`${name(given)} is for ${scheme}// alone: change ${name('url')}, or leave it out`)
  }
  return found
}

const httpTls = ({ httpCaFile, httpCertFile, httpKeyFile }: Settings['broker']) => ({
  ...{ caFile: httpCaFile, certFile: httpCertFile, keyFile: httpKeyFile },
})

/** Says of each target whose answer may take longer than until the next question what to do. */
export function lateAnswers({ targets, timeoutMs, intervalMs }: Settings['scrape']): string[] {
  const late = (whose: string, timeout: number, interval: number): string =>
    `scrape.timeoutMs (${formatDuration(timeout)})${whose} must not be above scrape.intervalMs (${formatDuration(interval)}): lower it, or raise the other`
  const found = timeoutMs > intervalMs ? [late('', timeoutMs, intervalMs)] : []
  for (const target of targets) {
    const interval = target.intervalMs ?? intervalMs
    if (target.timeoutMs !== undefined && target.timeoutMs > interval)
      found.push(late(` of the target ${target.name ?? showTarget(target.url)}`, target.timeoutMs, interval))
  }
  return found
}
