import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { type ColumnCells, Snapshot, type SnapshotParts } from './snapshot.ts'
import { bytesOf, Texts } from './texts.ts'

/*
 * A snapshot as bytes, little-endian:
 *
 *   magic   4 bytes, `SSN1`
 *   head    u32 its length, then JSON: subject, columns, and the lengths of all blocks in bytes
 *   blocks  each from a multiple of 8 bytes on: starts and bytes of the ids, starts and bytes of the texts, times, switches, cells column by column
 *
 * Whoever reads it takes the arrays from where they are.
 */

const MAGIC = 0x314e5353
const HEAD_AT = 8
const ALIGNMENT = 8

const HeadSchema = Type.Object({
  subject: Type.Union([Type.Literal('switch'), Type.Literal('fabric_port')]),
  columns: Type.Array(
    Type.Object({
      name: Type.String(),
      kind: Type.Union([Type.Literal('int'), Type.Literal('float'), Type.Literal('text')]),
    }),
  ),
  blocks: Type.Array(Type.Integer({ minimum: 0 })),
})
type Head = Static<typeof HeadSchema>

/** Why bytes are no snapshot. */
export class SnapshotError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(`these bytes are no snapshot: ${message}`, options)
    this.name = 'SnapshotError'
  }
}

/**
 * The bytes of a snapshot.
 *
 * @param room bytes that nobody needs any more: the snapshot is written over them, where it has room there
 */
export function encodeSnapshot({ parts }: Snapshot, room: Buffer = Buffer.alloc(0)): Buffer {
  const blocks = blocksOf(parts)
  const head: Head = {
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

/**
 * Reads a snapshot in place: the bytes belong to it from now on.
 *
 * @throws SnapshotError where they do not add up, such as those of another version
 */
export function decodeSnapshot(bytes: Buffer): Snapshot {
  const { buffer, byteOffset } = bytes.byteOffset % ALIGNMENT === 0 ? bytes : Buffer.from(Uint8Array.from(bytes).buffer)
  const { head, end } = readHead(bytes)
  let at = end
  const ranges = head.blocks.map((length) => {
    const start = aligned(at)
    at = start + length
    return { at: byteOffset + start, length }
  })
  if (at !== bytes.length) throw new SnapshotError(`${bytes.length} bytes, and not ${at}`)
  const [idStarts, idBytes, textStarts, textBytes, atUs, switches, ...cells] = ranges
  if (switches === undefined || cells.length !== head.columns.length)
    throw new SnapshotError(`${head.columns.length} columns in ${ranges.length} blocks`)
  const array = <T>(
    make: new (buffer: ArrayBufferLike, at: number, length: number) => T,
    width: number,
    block = atUs!,
  ): T => {
    if (block.length % width !== 0) throw new SnapshotError(`a block of ${block.length} bytes`)
    return new make(buffer, block.at, block.length / width)
  }
  const parts: SnapshotParts = {
    subject: head.subject,
    columns: head.columns,
    ids: textsOf(array(Uint32Array, 4, idStarts), array(Uint8Array, 1, idBytes)),
    texts: textsOf(array(Uint32Array, 4, textStarts), array(Uint8Array, 1, textBytes)),
    atUs: array(Float64Array, 8, atUs),
    switches: array(Int32Array, 4, switches),
    cells: head.columns.map(({ kind }, column): ColumnCells => {
      if (kind === 'int') return array(BigInt64Array, 8, cells[column])
      return kind === 'float' ? array(Float64Array, 8, cells[column]) : array(Int32Array, 4, cells[column])
    }),
  }
  checkRows(parts)
  return new Snapshot(parts)
}

function blocksOf({ ids, texts, atUs, switches, cells }: SnapshotParts): Uint8Array[] {
  return [ids.starts, ids.bytes, texts.starts, texts.bytes, atUs, switches, ...cells].map(bytesOf)
}

function readHead(bytes: Buffer): { head: Head; end: number } {
  if (bytes.length < HEAD_AT || bytes.readUInt32LE(0) !== MAGIC) throw new SnapshotError('another format or version')
  const end = HEAD_AT + bytes.readUInt32LE(4)
  if (end > bytes.length) throw new SnapshotError('cut off within its head')
  let head: unknown
  try {
    head = JSON.parse(bytes.toString('utf8', HEAD_AT, end))
  } catch (cause) {
    throw new SnapshotError('its head is no JSON', { cause })
  }
  if (!Value.Check(HeadSchema, head)) throw new SnapshotError('its head lacks something')
  return { head, end }
}

function textsOf(starts: Uint32Array, bytes: Uint8Array): Texts {
  if (starts.length === 0) throw new SnapshotError('texts without an end')
  for (let i = 1; i < starts.length; i++) if (starts[i]! < starts[i - 1]!) throw new SnapshotError('texts out of order')
  if (starts[0] !== 0 || starts.at(-1) !== bytes.length) throw new SnapshotError('texts that do not fill their block')
  return new Texts(starts, bytes)
}

function checkRows({ subject, ids, atUs, switches, cells }: SnapshotParts): void {
  const rows = atUs.length
  const lengths = [ids.length, ...(subject === 'fabric_port' ? [switches.length] : []), ...cells.map((c) => c.length)]
  const other = lengths.find((length) => length !== rows)
  if (other !== undefined) throw new SnapshotError(`${rows} and ${other} rows`)
}

function aligned(at: number): number {
  return Math.ceil(at / ALIGNMENT) * ALIGNMENT
}
