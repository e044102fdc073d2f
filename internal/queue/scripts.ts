import type { Redis } from 'ioredis'
import { PAYLOAD_FIELD } from '../broker/streams/entry.ts'
import { BEFORE, FIELDS, NOTE_READ } from '../broker/streams/scripts.ts'
import { type PartitionKeys, TOPICS_KEY } from './names.ts'

/** Beside the payload of an entry that came from a gateway's disk: its mark, and when it was taken, ms. */
export const MARK_FIELD = 'i'
export const TAKEN_FIELD = 't'

/** How long Redis knows what a gateway that is gone has fed. */
const FED_KEPT_MS = 24 * 3_600_000

const TAKE_STOCK = `${FIELDS}${BEFORE}${NOTE_READ}
local function after(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  return ms .. '-' .. string.format('%.0f', tonumber(seq) + 1)
end
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, 0} end
local groups, keepFrom, all = {}, nil, {}
for _, reply in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = fields(reply)
  local pending = redis.call('XPENDING', KEYS[1], group.name)
  local last = group['last-delivered-id']
  local oldest = after(last)
  if pending[1] > 0 and before(pending[2], oldest) then oldest = pending[2] end
  if not keepFrom or before(oldest, keepFrom) then keepFrom = oldest end
  groups[#groups + 1] = {last = last, pending = pending[1], lag = group.lag}
  all[#all + 1] = group
end
local trimmed = keepFrom and redis.call('XTRIM', KEYS[1], 'MINID', keepFrom) or 0
local stream = fields(redis.call('XINFO', 'STREAM', KEYS[1]))
if trimmed > 0 then note_read(KEYS[1], all, stream, trimmed) end
local length, first = stream.length, stream['first-entry'] and stream['first-entry'][1]
local unacked = #groups == 0 and length or 0
for _, group in ipairs(groups) do
  local lag = group.lag or length
  if not first or not before(group.last, stream['last-generated-id']) then lag = 0
  elseif before(group.last, first) then lag = length
  elseif group.last == first then lag = length - 1 end
  unacked = math.max(unacked, math.min(length, group.pending + lag))
end
if trimmed > 0 and redis.call('EXISTS', KEYS[2]) == 1 then
  local known, gone = redis.call('HGETALL', KEYS[2]), {}
  for i = 1, #known, 2 do
    if not first or before(known[i + 1], first) then gone[#gone + 1] = known[i] end
    if #gone == 1000 or (i + 2 > #known and #gone > 0) then
      redis.call('HDEL', KEYS[2], unpack(gone))
      gone = {}
    end
  end
end
return {length, unacked, trimmed}`

export interface Stock {
  /** Entries in the stream. */
  readonly length: number
  /** Entries that the slowest group has not acked; all where there is no group. */
  readonly unacked: number
  /** Entries that all groups had acked, and that are gone now. */
  readonly trimmed: number
}

/**
 * Removes the entries before the oldest one that some group has not acked, and counts those that are left. Without a
 * group nobody has acked anything, so nothing is removed.
 */
export async function takeStock(client: Redis, { stream, ids }: PartitionKeys): Promise<Stock> {
  const [length, unacked, trimmed] = (await client.eval(TAKE_STOCK, 2, stream, ids)) as [number, number, number]
  return { length, unacked, trimmed }
}

const SWEEP = `${FIELDS}${BEFORE}${NOTE_READ}
local groups, upTo = {}, nil
for _, reply in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = fields(reply)
  groups[#groups + 1] = group
  local last = group['last-delivered-id']
  if not upTo or before(last, upTo) then upTo = last end
end
local entries = upTo and redis.call('XRANGE', KEYS[1], ARGV[1], upTo, 'COUNT', ARGV[2]) or {}
if #entries == 0 then return {0, ''} end
local pending, from, to = {}, entries[1][1], entries[#entries][1]
for _, group in ipairs(groups) do
  for _, each in ipairs(redis.call('XPENDING', KEYS[1], group.name, from, to, ARGV[2])) do
    pending[each[1]] = true
  end
end
local removed = 0
for _, entry in ipairs(entries) do
  if not pending[entry[1]] then
    removed = removed + redis.call('XDEL', KEYS[1], entry[1])
    for i = 1, #entry[2], 2 do
      if entry[2][i] == '${MARK_FIELD}' then redis.call('HDEL', KEYS[2], entry[2][i + 1]) end
    end
  end
end
if removed > 0 then note_read(KEYS[1], groups, fields(redis.call('XINFO', 'STREAM', KEYS[1])), removed) end
return {removed, #entries == tonumber(ARGV[2]) and to or ''}`

const SWEPT_ENTRIES = 1000

/**
 * Removes, among the next 1,000 entries, those that all groups have acked, though an older one is not acked: trimming
 * ends there.
 *
 * @param from where the sweep before ended; '' for the first
 * @returns where this one ended; '' when it has come to the end
 */
export async function sweep(client: Redis, { stream, ids }: PartitionKeys, from: string): Promise<string> {
  const begin = from === '' ? '-' : `(${from}`
  const [, next] = (await client.eval(SWEEP, 2, stream, ids, begin, SWEPT_ENTRIES)) as [number, string]
  return next
}

const FEED = `
local epoch, last = ARGV[1], tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '-1')
for i = 3, #ARGV, 3 do
  local number = tonumber(ARGV[i])
  if number > last then
    local mark = epoch .. '-' .. ARGV[i]
    local id = redis.call('XADD', KEYS[1], '*', '${PAYLOAD_FIELD}', ARGV[i + 2], '${MARK_FIELD}', mark, '${TAKEN_FIELD}', ARGV[i + 1])
    redis.call('HSET', KEYS[2], mark, id)
    last = number
  end
end
redis.call('HSET', KEYS[3], epoch, last)
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return last`

/** A message on its way back from the disk. */
export interface Kept {
  readonly epoch: string
  /** Rising within the epoch. */
  readonly number: number
  /** Milliseconds since the epoch. */
  readonly takenAtMs: number
  readonly payload: Buffer
}

/**
 * Adds messages of one epoch in their order, each once: Redis remembers how far it was, so that a feed whose answer was
 * lost may be repeated.
 */
export async function feed(client: Redis, keys: PartitionKeys, messages: readonly Kept[]): Promise<void> {
  const args = messages.flatMap(({ number, takenAtMs, payload }) => [number, takenAtMs, payload])
  const epoch = messages[0]!.epoch
  await client.eval(FEED, 3, keys.stream, keys.ids, keys.fed, epoch, FED_KEPT_MS, ...args)
}

const GROW = `
local partitions = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local wanted = tonumber(ARGV[2])
if partitions == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return -1 end
if partitions < wanted then
  redis.call('HSET', KEYS[1], ARGV[1], wanted)
  partitions = wanted
end
return partitions`

/**
 * Notes that a topic has at least so many partitions.
 *
 * @returns how many it has; −1 where there are too many topics for another one
 */
export async function grow(client: Redis, topic: string, partitions: number, maxTopics: number): Promise<number> {
  return (await client.eval(GROW, 1, TOPICS_KEY, topic, partitions, maxTopics)) as number
}
