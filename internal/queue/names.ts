import { streamKey } from '../broker/streams/names.ts'

/** Gateways write both; servers find new partitions in the one of the topics. */
export { GATEWAYS_KEY, TOPICS_KEY } from '../broker/streams/names.ts'

/** The keys of a partition, all in the slot of its stream. */
export interface PartitionKeys {
  readonly stream: string
  /** A hash: the id of a message that went to disk first → the id of its entry. */
  readonly ids: string
  /** A hash: the epoch of a gateway → the number of the last message that it has fed back from its disk. */
  readonly fed: string
}

export function partitionKeys(topic: string, partition: number): PartitionKeys {
  const stream = streamKey(topic, partition)
  return { stream, ids: `${stream}:ids`, fed: `${stream}:fed` }
}

const TOPIC = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const GROUP = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}$/

export const TOPIC_RULE = 'a letter or digit, then up to 99 letters, digits, dots, dashes or underscores'
export const GROUP_RULE = 'a letter or digit, then up to 99 letters, digits or any of . _ : @ / -'

/** A topic is part of a key between braces, and the name of a folder. */
export function isTopic(text: string): boolean {
  return TOPIC.test(text)
}

export function isGroup(text: string): boolean {
  return GROUP.test(text)
}
