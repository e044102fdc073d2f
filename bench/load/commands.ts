import { HashRing } from '../../internal/broker/hash-ring.ts'
import { channelNames } from '../../internal/broker/pubsub/names.ts'
import { DEFAULT_MAX_LENGTH } from '../../internal/broker/streams/broker.ts'
import { PAYLOAD_FIELD } from '../../internal/broker/streams/entry.ts'
import { streamKeys } from '../../internal/broker/streams/names.ts'
import type { LoadBroker } from './load-types.ts'

/** A command in the protocol of Redis. */
export function command(...parts: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...parts.map(bulk)])
}

/**
 * For each key the beginning of the command that sends a message: everything before the message, which follows as a
 * bulk text. The broker sends the same command to the same partition for this key.
 */
export function sendCommands(
  { kind, topic, partitions, maxLength = DEFAULT_MAX_LENGTH }: LoadBroker,
  keys: readonly string[],
): Buffer[] {
  const ring = new HashRing(partitions)
  const places = kind === 'pubsub' ? channelNames(partitions) : streamKeys(topic, partitions)
  return keys.map((key) => {
    const place = places[ring.partitionOf(key)]!
    const parts =
      kind === 'pubsub' ? ['PUBLISH', place] : ['XADD', place, 'MAXLEN', '~', `${maxLength}`, '*', PAYLOAD_FIELD]
    return Buffer.concat([Buffer.from(`*${parts.length + 1}\r\n`), ...parts.map(bulk)])
  })
}

function bulk(text: string): Buffer {
  return Buffer.from(`$${Buffer.byteLength(text)}\r\n${text}\r\n`)
}
