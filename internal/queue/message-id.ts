/**
 * The id of a message, the same in produce, consume and ack, at any gateway:
 *
 * - `<partition>-<entry>`: Redis had the message first, and the entry has that id there: `3-1764503425000-0`
 * - `<partition>-<epoch>-<number>`: a gateway's disk had it first. The epoch begins with a letter: `3-k3f9a0c12d-17`.
 *   Its entry has `<epoch>-<number>` in a field, and Redis keeps which entry that is
 */
export type MessageId =
  | { readonly partition: number; readonly entry: string; readonly mark?: undefined }
  | { readonly partition: number; readonly mark: string; readonly entry?: undefined }

const ID = /^(\d{1,5})-(?:(\d{1,20}-\d{1,20})|([a-z][0-9a-z]{3,19}-\d{1,16}))$/

/** @param tail the id of an entry, or the mark of a message that went to disk first */
export function messageId(partition: number, tail: string): string {
  return `${partition}-${tail}`
}

/** @returns undefined where no gateway has made such an id */
export function parseMessageId(text: string): MessageId | undefined {
  const [, partition, entry, mark] = ID.exec(text) ?? []
  if (entry !== undefined) return { partition: Number(partition), entry }
  return mark === undefined ? undefined : { partition: Number(partition), mark }
}

/** The clock of Redis when it added the entry, ms. */
export function entryTimeMs(entry: string): number {
  return Number.parseInt(entry, 10)
}
