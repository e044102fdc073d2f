import type { Redis } from 'ioredis'
import type { RawEntry } from './entry.ts'

/**
 * Lua scripts for what must be read and changed in one step, because other servers do the same. Each script touches
 * the keys of one partition. They are sent as text: all are rare, so EVALSHA would save little, and costs a second
 * round trip when Redis has forgotten the script.
 */
export const FIELDS = `
local function fields(reply)
  local named = {}
  for i = 1, #reply, 2 do named[reply[i]] = reply[i + 1] end
  return named
end`

export const BEFORE = `
local function before(a, b)
  local aMs, aSeq = string.match(a, '(%d+)-(%d+)')
  local bMs, bSeq = string.match(b, '(%d+)-(%d+)')
  if aMs ~= bMs then return #aMs < #bMs or (#aMs == #bMs and aMs < bMs) end
  return #aSeq < #bSeq or (#aSeq == #bSeq and aSeq < bSeq)
end`

/**
 * For scripts that remove entries which all groups have read: `removed` of them, as `stream` is afterwards. Writes the
 * count of the read ones of each group: the append-only file lacks it, and after a restart of Redis these entries would
 * look as if nobody had read them. A group that had not read all that was gone before keeps its count, which shows it.
 */
export const NOTE_READ = `
local function note_read(key, groups, stream, removed)
  local added = stream['entries-added']
  if not added then return end
  local gone = added - stream.length
  for _, group in ipairs(groups) do
    local read = group['entries-read']
    if read and read >= gone - removed then
      redis.call('XGROUP', 'SETID', key, group.name, group['last-delivered-id'], 'ENTRIESREAD', math.max(read, gone))
    end
  end
end`

/** Trimmed entries are found before XCLAIM, which would drop them silently. */
const CLAIM = `${FIELDS}
local group, consumer, from, idle, room, bare = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == 'ids'
local alive = {}
if from == 'others' then
  for _, reply in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
    local each = fields(reply)
    alive[each.name] = each.idle < idle
  end
end
local looked, trimmed, entries = 0, 0, {}
for i = 7, #ARGV do
  if room <= 0 then break end
  looked = looked + 1
  local id = ARGV[i]
  local pending = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if pending and (pending[2] == consumer) == (from == 'own') and pending[3] >= idle then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if not entry then
      if not alive[pending[2]] then trimmed = trimmed + redis.call('XACK', KEYS[1], group, id) end
    elseif bare then
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
      entries[#entries + 1] = {id, {}}
    else
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, id)
      entries[#entries + 1] = entry
      for _, field in ipairs(entry[2]) do room = room - #field end
    end
  end
end
return {looked, trimmed, entries}`

export interface ClaimOptions {
  readonly key: string
  readonly group: string
  readonly consumer: string
  /** `own`: only entries that the consumer owns. Otherwise only entries of others that were idle for `idleMs`. */
  readonly from: 'own' | { readonly idleMs: number }
  /** The claim ends with the entry that reaches this size. */
  readonly maxBytes: number
  /** Claims them without their content, which leaves the delivery count as it is. */
  readonly idsOnly?: boolean
}

export interface Claimed {
  /** How many of the ids were looked at. */
  readonly looked: number
  /** Entries that were trimmed, and that no consumer that is alive has either. They are acked. */
  readonly trimmed: number
  readonly entries: RawEntry[]
}

/** Claims pending entries, which counts one more delivery each. Entries that have changed their owner are left out. */
export async function claim(client: Redis, options: ClaimOptions, ids: readonly string[]): Promise<Claimed> {
  const { key, group, consumer, from, maxBytes, idsOnly = false } = options
  const whose = from === 'own' ? ['own', 0] : ['others', from.idleMs]
  const [looked, trimmed, entries] = (await client.callBuffer(
    ...(['EVAL', CLAIM, 1, key, group, consumer, ...whose, maxBytes, idsOnly ? 'ids' : 'entries', ...ids] as const),
  )) as [number, number, RawEntry[]]
  return { looked, trimmed, entries }
}

const RENEW = `${BEFORE}
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local ids = {}
for i = 3, #ARGV do
  if first and not before(ARGV[i], first[1]) then ids[#ids + 1] = ARGV[i] end
end
ids[#ids + 1] = 'JUSTID'
if #ids > 1 then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(ids)) end
local none = '18446744073709551615-18446744073709551614'
redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], none)`

/** The most ids that `renew` takes: the stack of a script has room for some 8,000 values. */
export const MAX_RENEWED = 500

/**
 * Tells Redis that the consumer is alive and still has these entries, so that no other consumer claims them. JUSTID
 * leaves the delivery count as it is. Trimmed entries stay pending and are not renewed: if the consumer dies, the next
 * one finds that they are lost. The empty read at the end is the sign of life where no entry is renewed.
 */
export async function renew(
  client: Redis,
  key: string,
  group: string,
  consumer: string,
  ids: readonly string[],
): Promise<void> {
  await client.eval(RENEW, 1, key, group, consumer, ...ids)
}

const MAKE_GROUP = `${FIELDS}
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err then
  if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
  return made
end
local stream = fields(redis.call('XINFO', 'STREAM', KEYS[1]))
if stream['entries-added'] then
  local read = stream['entries-added'] - stream.length
  if ARGV[2] == 'first' and stream.groups == 1 then read = 0 end
  redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], '0', 'ENTRIESREAD', read)
end
return 1`

/**
 * Creates a consumer group that begins with the first entry of the stream. Entries trimmed before count as never read
 * when this is the first group of the stream. They do not when the consumer has known a group before.
 *
 * @returns false when the group exists already
 */
export async function makeGroup(client: Redis, key: string, group: string, hadGroup: boolean): Promise<boolean> {
  return (await client.eval(MAKE_GROUP, 1, key, group, hadGroup ? 'again' : 'first')) === 1
}

const INSPECT = `${FIELDS}${BEFORE}
local stream, group = fields(redis.call('XINFO', 'STREAM', KEYS[1])), nil
for _, reply in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local each = fields(reply)
  if each.name == ARGV[1] then group = each end
end
if not group then return redis.error_reply('NOGROUP no such group') end
local added, length, last, read = stream['entries-added'], stream.length, group['last-delivered-id'], group['entries-read']
local first = stream['first-entry'] and stream['first-entry'][1]
local last_generated = stream['last-generated-id']
local position, lost = nil, 0
if added then
  if not first or not before(last, last_generated) then position = added
  elseif before(last, first) then position = added - length
  elseif last == first then position = added - length + 1 end
end
local server = redis.pcall('INFO', 'server')
local run = type(server) == 'string' and string.match(server, 'run_id:(%x+)') or ''
local knownRun, isMade = ARGV[6], ARGV[4] == 'made'
if position and read and position > read then
  lost = math.min(position - read, added - length)
  if knownRun ~= '' and run ~= knownRun then lost = math.min(lost, math.max(0, added - length - read)) end
end
if not position and knownRun ~= '' then run = knownRun end
local counted = position or read
if added and counted then redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], last, 'ENTRIESREAD', counted) end
local lastKnown, addedKnown = ARGV[2], tonumber(ARGV[3])
local isSame = lastKnown == '' or (first and not before(lastKnown, first))
if not isSame and last_generated == lastKnown and added == addedKnown then isSame = not isMade or addedKnown > 0 end
if not isSame and not isMade then isSame = not added or added - length >= addedKnown end
local others, reading = -1, 0
for _, reply in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local each = fields(reply)
  if each.name ~= ARGV[5] then
    if others < 0 or each.idle < others then others = each.idle end
    if each.idle < 2000 then reading = reading + 1 end
  end
end
local lag = -1
if position or (added and read) then lag = added - (position or read) end
local pending = redis.call('XPENDING', KEYS[1], ARGV[1])
local oldest = pending[2]
local unread = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
if unread and (not oldest or before(unread[1], oldest)) then oldest = unread[1] end
local now = redis.call('TIME')
local function age(id)
  return math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(string.match(id, '%d+')))
end
local ages = {oldest and age(oldest) or 0, unread and age(unread[1]) or 0}
return {lost, lag, pending[1], ages[1], ages[2], others, isSame and 1 or 0, last_generated, added or 0, reading, run}`

/** How far a stream was: its last entry, and how many were ever added to it (0 before Redis 7.0). */
export interface StreamPosition {
  readonly lastId: string
  readonly added: number
  /** The process of Redis in which the group's count of read entries was right; '' where Redis does not say. */
  readonly run: string
}

export interface InspectOptions {
  readonly key: string
  readonly group: string
  readonly consumer: string
  /** Where the stream was before; undefined when nobody knows. */
  readonly known: StreamPosition | undefined
  /** The group was missing since then. */
  readonly wasMade: boolean
}

export interface Inspection {
  /** Entries trimmed unread since the last inspection by any server: each is reported once. */
  readonly trimmedUnread: number
  /** Entries not read yet; undefined where Redis does not know (before 7.0). */
  readonly lag: number | undefined
  /** Entries read and not acked. */
  readonly pending: number
  /** How long ago the oldest entry that is not acked, read or not, was published; 0 where there is none. */
  readonly oldestAgeMs: number
  /** The same of the oldest entry that is not read. */
  readonly unreadAgeMs: number
  /** How long ago another consumer of the group last asked for entries; undefined where there is no other. */
  readonly othersIdleMs: number | undefined
  /** Other consumers of the group that have asked for entries within 2 s: each reader does at least twice a second. */
  readonly othersReading: number
  /** Whether this is another stream than the one that was known, or nothing of that is left. */
  readonly hasVanished: boolean
  readonly position: StreamPosition
}

/**
 * Measures the backlog of a group. Redis counts the entries ever added and those that the group has read, and trims
 * at the beginning only. So where it is known how many entries lie at or before the last one read, the difference to
 * the count of the read ones was trimmed unread.
 *
 * That is known when the group has read everything, when the last entry that it read is the first that is left, or when
 * that entry is gone. In between, no entry can be trimmed unread that does not show later. The same step corrects the
 * group's count. It writes it each time, because XREADGROUP leaves it out of the append-only file: after a restart Redis
 * would take all that was read since for unread, and what was trimmed long ago for trimmed unread. What was read between
 * the last look and the end of Redis shows in the same way. So in another process of Redis than that of the last look
 * only so many count as are trimmed beyond the count of the read ones, until that is corrected. Who trims entries that
 * were read writes the count too (`internal/queue`).
 *
 * A stream that was deleted or evicted, or that Redis forgot, is made anew by the next entry or group. It is another
 * one than before when none of its entries is as old as the last one of before, though fewer were trimmed than there
 * were; and, since the group goes with its stream, when the group was missing.
 */
export async function inspect(client: Redis, options: InspectOptions): Promise<Inspection> {
  const { key, group, consumer, known = { lastId: '', added: 0, run: '' }, wasMade } = options
  const { lastId: lastKnown, added: addedKnown, run: runKnown } = known
  const [
    trimmedUnread,
    lag,
    pending,
    oldestAgeMs,
    unreadAgeMs,
    othersIdleMs,
    isSame,
    lastId,
    added,
    othersReading,
    run,
  ] = (await client.eval(
    ...([INSPECT, 1, key, group, lastKnown, addedKnown, wasMade ? 'made' : '', consumer, runKnown] as const),
  )) as [number, number, number, number, number, number, number, string, number, number, string]
  return {
    ...{ trimmedUnread, lag: lag < 0 ? undefined : lag, pending, oldestAgeMs, unreadAgeMs },
    othersIdleMs: othersIdleMs < 0 ? undefined : othersIdleMs,
    othersReading,
    hasVanished: isSame === 0,
    position: { lastId, added, run },
  }
}

const FORGET_CONSUMERS = `${FIELDS}
local forgotten = 0
for _, reply in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = fields(reply)
  if consumer.name ~= ARGV[2] and consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten`

/**
 * Removes consumers without activity for long and without pending entries. A consumer that comes back exists again
 * with its first read.
 *
 * @returns how many
 */
export async function forgetConsumers(
  client: Redis,
  key: string,
  group: string,
  except: string,
  idleMs: number,
): Promise<number> {
  return (await client.eval(FORGET_CONSUMERS, 1, key, group, except, idleMs)) as number
}
