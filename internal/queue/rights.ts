import { type HarmlessCommand, hdel, hset, type NeededRights, pexpire } from '../broker/redis/rights.ts'
import { streamKeys } from '../broker/streams/names.ts'
import { publishRights } from '../broker/streams/rights.ts'
import { GATEWAYS_KEY, partitionKeys, TOPICS_KEY } from './names.ts'

/** Before the first message there is no stream, and before the first consumer no group. */
const NOT_THERE_YET = /^NOGROUP|no such key|requires the key to exist|Invalid stream ID|not an integer/
const NOBODY = '(no such group)'

/** What a gateway sends: XADD to each partition of its first topic, everything else to the first one. */
export function queueRights(topic: string, partitions: number): NeededRights {
  const { stream, ids, fed } = partitionKeys(topic, 0)
  const harmless = (...args: readonly string[]): HarmlessCommand => ({
    name: `${args[0]} ${stream}`,
    args,
    expects: NOT_THERE_YET,
  })
  return {
    commands: [
      ...publishRights(streamKeys(topic, partitions)).commands,
      { ...harmless('XREADGROUP', 'GROUP', NOBODY, NOBODY, 'COUNT', 'x', 'STREAMS', stream, '>'), name: 'XREADGROUP' },
      harmless('EVAL', 'return 1', '1', stream),
      harmless('XACK', stream, NOBODY, '0-0'),
      harmless('XPENDING', stream, NOBODY),
      harmless('XCLAIM', stream, NOBODY, NOBODY, '0', '0-0'),
      harmless('XAUTOCLAIM', stream, NOBODY, NOBODY, '0', '0-0'),
      harmless('XTRIM', stream, 'MINID', 'x'),
      harmless('XDEL', stream, '0-0'),
      harmless('XRANGE', stream, '1', '0'),
      harmless('EXISTS', stream),
      { ...harmless('XINFO', 'STREAM', stream, 'FULL', 'COUNT', 'x'), name: `XINFO STREAM ${stream}` },
      { ...harmless('XINFO', 'GROUPS', stream), name: `XINFO GROUPS ${stream}` },
      { ...harmless('XINFO', 'CONSUMERS', stream, NOBODY), name: `XINFO CONSUMERS ${stream}` },
      { ...harmless('XGROUP', 'CREATE', stream, NOBODY, 'x'), name: `XGROUP CREATE ${stream}` },
      { ...harmless('XGROUP', 'SETID', stream, NOBODY, 'x'), name: `XGROUP SETID ${stream}` },
      { name: 'TIME', args: ['TIME'] },
      { name: 'CLIENT UNBLOCK', args: ['CLIENT', 'UNBLOCK', '0'] },
      { name: `HGETALL ${TOPICS_KEY}`, args: ['HGETALL', TOPICS_KEY] },
      { name: `HGET ${ids}`, args: ['HGET', ids, '(no such field)'] },
      ...[hset(TOPICS_KEY), hset(GATEWAYS_KEY), hdel(GATEWAYS_KEY), hset(ids), hdel(ids), hset(fed), pexpire(fed)],
    ],
    publishes: [],
    subscribes: [],
  }
}
