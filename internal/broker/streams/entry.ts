/** An entry as Redis sends it: its id, then names and values in turn. */
export type RawEntry = [id: Buffer, fields: Buffer[]]

/** The field of an entry that holds the message. */
export const PAYLOAD_FIELD = 'd'

const EMPTY = Buffer.alloc(0)

export function idOf([id]: RawEntry): string {
  return id.toString('latin1')
}

/**
 * An entry without the field, written by others, gives an empty message. No codec accepts it: it is rejected and
 * counted.
 */
export function payloadOf([, fields]: RawEntry): Buffer {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i]!
    if (name.length === 1 && name[0] === PAYLOAD_FIELD.charCodeAt(0)) return fields[i + 1]!
  }
  return EMPTY
}

/**
 * A number that is the same at every delivery of an entry. The sequence in its id alone begins at 0 in each
 * millisecond and each partition, so neighbouring entries of one publisher would often share it. Odd factors for both
 * keep about 30 entries a millisecond apart in each of four partitions.
 */
export function tieOf(partition: number, id: string): number {
  const dash = id.indexOf('-')
  const ms = Number(id.slice(Math.max(dash - 3, 0), dash))
  const sequence = Number(id.slice(Math.max(dash + 1, id.length - 3)))
  return (sequence + ms * 31 + partition * 251) % 1000
}
