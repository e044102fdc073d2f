import type { Redis } from 'ioredis'
import type { PartitionState } from '../queue-state.ts'
import { BEFORE, FIELDS } from './scripts.ts'

const LOOK_AT_GROUPS = `${FIELDS}${BEFORE}
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0, {}} end
local stream = fields(redis.call('XINFO', 'STREAM', KEYS[1]))
local first, now = stream['first-entry'] and stream['first-entry'][1], redis.call('TIME')
local function age(id)
  return math.max(0, now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(string.match(id, '%d+')))
end
local found = {}
for _, reply in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = fields(reply)
  local last, lag = group['last-delivered-id'], group.lag or -1
  if not first or not before(last, stream['last-generated-id']) then lag = 0
  elseif before(last, first) then lag = stream.length
  elseif last == first then lag = stream.length - 1 end
  local pending = redis.call('XPENDING', KEYS[1], group.name)
  local oldest = pending[1] > 0 and pending[2]
  local unread = redis.call('XRANGE', KEYS[1], '(' .. last, '+', 'COUNT', 1)[1]
  if unread and (not oldest or before(unread[1], oldest)) then oldest = unread[1] end
  local idle, consumers = -1, {}
  for _, each in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group.name)) do
    local consumer = fields(each)
    if idle < 0 or consumer.idle < idle then idle = consumer.idle end
    consumers[#consumers + 1] = {consumer.name, consumer.pending, consumer.idle}
  end
  found[#found + 1] = {group.name, lag, pending[1], oldest and age(oldest) or 0, idle, consumers}
end
return {stream.length, first and age(first) or 0, found}`

type GroupReply = [
  name: string,
  lag: number,
  pending: number,
  oldestAgeMs: number,
  idleMs: number,
  consumers: Array<[name: string, pending: number, idleMs: number]>,
]

/** How a stream and its groups stand, at one moment. One that is not there is empty. */
export async function lookAtGroups(
  client: Redis,
  stream: string,
): Promise<Pick<PartitionState, 'length' | 'firstAgeMs' | 'groups'>> {
  const [length, firstAgeMs, found] = (await client.eval(LOOK_AT_GROUPS, 1, stream)) as [number, number, GroupReply[]]
  const groups = found.map(([group, lag, pending, oldestAgeMs, idleMs, consumers]) => ({
    group,
    lag: lag < 0 ? undefined : lag,
    pending,
    oldestAgeMs,
    idleMs: idleMs < 0 ? undefined : idleMs,
    readers: consumers.map(([name, held, idle]) => ({ name, pending: held, idleMs: idle })),
  }))
  return { length, firstAgeMs, groups }
}
