import { Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { ALIGNMENT, aligned, HEAD_AT, MAGIC, type SnapshotHead } from './encode-snapshot.ts'
import { type ColumnCells, Snapshot, type SnapshotParts } from './snapshot.ts'
import { Texts } from './texts.ts'

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

/** Why bytes are no snapshot. */
export class SnapshotError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(`these bytes are no snapshot: ${message}`, options)
    this.name = 'SnapshotError'
  }
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

function readHead(bytes: Buffer): { head: SnapshotHead; end: number } {
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
