import type { Column, Snapshot, SnapshotParts, Subject } from './snapshot.ts'
import { bytesOf } from './texts.ts'

/*
 * A snapshot as bytes, little-endian:
 *
 *   magic   4 bytes, `SSN1`
 *   head    u32 its length, then JSON: subject, columns, and the lengths of all blocks in bytes
 *   blocks  each from a multiple of 8 bytes on: starts and bytes of the ids, starts and bytes of the texts, times, switches, cells column by column
 *
 * Whoever reads it takes the arrays from where they are.
 */

export const MAGIC = 0x314e5353
export const HEAD_AT = 8
export const ALIGNMENT = 8

export interface SnapshotHead {
  readonly subject: Subject
  readonly columns: readonly Column[]
  /** The lengths of all blocks, in bytes. */
  readonly blocks: readonly number[]
}

/**
 * The bytes of a snapshot.
 *
 * @param room bytes that nobody needs any more: the snapshot is written over them, where it has room there
 */
export function encodeSnapshot({ parts }: Snapshot, room: Buffer = Buffer.alloc(0)): Buffer {
  const blocks = blocksOf(parts)
  const head: SnapshotHead = {
    subject: parts.subject,
    columns: parts.columns.map(({ name, kind }) => ({ name, kind })),
    blocks: blocks.map(({ length }) => length),
  }
  const json = Buffer.from(JSON.stringify(head))
  const length = blocks.reduce((end, block) => aligned(end) + block.length, HEAD_AT + json.length)
  const bytes = length <= room.length ? room.subarray(0, length) : Buffer.allocUnsafeSlow(length)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt32LE(json.length, 4)
  bytes.set(json, HEAD_AT)
  let at = HEAD_AT + json.length
  for (const block of blocks) {
    bytes.fill(0, at, aligned(at))
    at = aligned(at)
    bytes.set(block, at)
    at += block.length
  }
  return bytes
}

/** The first place from here on at which a block may begin. */
export function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT
}

function blocksOf({ ids, texts, atUs, switches, cells }: SnapshotParts): Uint8Array[] {
  return [ids.starts, ids.bytes, texts.starts, texts.bytes, atUs, switches, ...cells].map(bytesOf)
}
