import type { Redis } from 'ioredis'
import type { ConnectedConsumers, GatewayReport, GatewayState, OnDisk } from '../queue-state.ts'
import { GATEWAYS_KEY } from './names.ts'

/** What a gateway that is gone said last is kept for so long: its disk may still have messages. */
const KEPT_MS = 24 * 3_600_000

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`

const SAVE = `${NOW}
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local known, gone = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #known, 2 do
  local at = tonumber(string.match(known[i + 1], '^%d+') or '0')
  if now - at > tonumber(ARGV[3]) then gone[#gone + 1] = known[i] end
end
if #gone > 0 and #gone < 5000 then redis.call('HDEL', KEYS[1], unpack(gone)) end
return 1`

const LOAD = `${NOW}
return {string.format('%.0f', now), redis.call('HGETALL', KEYS[1])}`

/** Replaces what a gateway last said of itself. */
export async function saveReport(client: Redis, name: string, report: GatewayReport): Promise<void> {
  await client.eval(SAVE, 1, GATEWAYS_KEY, name, JSON.stringify(report), KEPT_MS)
}

/** A gateway ends and leaves nothing behind. */
export async function forgetReport(client: Redis, name: string): Promise<void> {
  await client.hdel(GATEWAYS_KEY, name)
}

/** What all gateways last said, within a day, by name. What is no such report is left out. */
export async function loadReports(client: Redis): Promise<GatewayState[]> {
  const [now, known] = (await client.eval(LOAD, 1, GATEWAYS_KEY)) as [string, string[]]
  const found: GatewayState[] = []
  for (let i = 0; i + 1 < known.length; i += 2) {
    const [, at, json] = /^(\d+) (.*)$/s.exec(known[i + 1]!) ?? []
    const report = parseReport(json ?? '')
    if (report !== undefined) found.push({ name: known[i]!, ageMs: Math.max(0, Number(now) - Number(at)), ...report })
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Another version of this program may have written it. */
function parseReport(json: string): GatewayReport | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch {
    return undefined
  }
  if (!isRecord(parsed)) return undefined
  const { bytes, maxBytes, problem, onDisk, consumers } = parsed
  if (!isCount(bytes) || !isCount(maxBytes) || typeof problem !== 'string') return undefined
  if (!Array.isArray(onDisk) || !onDisk.every(isOnDisk)) return undefined
  if (!Array.isArray(consumers) || !consumers.every(isConsumers)) return undefined
  return { bytes, maxBytes, problem, onDisk, consumers }
}

function isOnDisk(value: unknown): value is OnDisk {
  if (!isRecord(value)) return false
  const { topic, partition, messages, bytes } = value
  return typeof topic === 'string' && isCount(partition) && isCount(messages) && isCount(bytes)
}

function isConsumers(value: unknown): value is ConnectedConsumers {
  if (!isRecord(value)) return false
  const { topic, group, partition, count } = value
  const isPartition = partition === null || isCount(partition)
  return typeof topic === 'string' && typeof group === 'string' && isPartition && isCount(count)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0
}
