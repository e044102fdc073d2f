/** Lines of line protocol in one Buffer, each with its line feed. */
export interface Lines {
  readonly body: Buffer
  /** The index behind the line feed of each line. The text alone does not tell: a string may contain line feeds. */
  readonly ends: Uint32Array
}

const WORD = 4

/**
 * Lines as one record, which `readLineRecord` reads back: their number, the end of each (all uint32, little-endian),
 * and the text. Every store spools its batches in this form, so any store can take what another has spooled.
 */
export function writeLineRecord({ body, ends }: Lines): Buffer {
  const bodyStart = (1 + ends.length) * WORD
  const record = Buffer.allocUnsafeSlow(bodyStart + body.length)
  record.writeUInt32LE(ends.length, 0)
  for (let i = 0; i < ends.length; i++) record.writeUInt32LE(ends[i]!, (1 + i) * WORD)
  body.copy(record, bodyStart)
  return record
}

/**
 * The lines share the record's memory.
 *
 * @throws RangeError when the bytes are not such a record
 */
export function readLineRecord(record: Buffer): Lines {
  const count = record.length < WORD ? -1 : record.readUInt32LE(0)
  const bodyStart = (1 + count) * WORD
  if (count < 0 || bodyStart > record.length) throw new RangeError('not a record of lines')
  const body = record.subarray(bodyStart)
  const ends = new Uint32Array(count)
  let start = 0
  for (let i = 0; i < count; i++) {
    const end = record.readUInt32LE((1 + i) * WORD)
    if (end <= start || end > body.length) throw new RangeError(`line ${i} of ${count} has no end`)
    ends[i] = end
    start = end
  }
  if (start !== body.length) throw new RangeError('text behind the last line')
  return { body, ends }
}
