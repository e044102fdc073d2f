/** A rejected message or sample. */
export interface DeadLetter {
  /** When it was rejected, ms since the Unix epoch. */
  readonly at: number
  /**
   * `message`: bytes as a broker delivers them; `line`: a sample as line protocol; `text`: what a source could not read,
   * as it came.
   */
  readonly kind: 'message' | 'line' | 'text'
  readonly reason: string
  readonly detail: string
  /**
   * The run id of its publisher; '' where it is unknown. Of a letter of an agent: its source, and the file or the target.
   * The name is older than the word run; stored letters have it.
   */
  readonly source: string
  /** Copied: must be valid only during the call. */
  readonly payload: Buffer | string
}

/** A letter as it was kept. */
export interface KeptLetter extends DeadLetter {
  readonly payload: Buffer
  /** The size of the payload when it came. Larger than `payload` where that was cut. */
  readonly payloadBytes: number
}

/** A longer payload is cut. No broker takes in a larger message. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
/** Longer texts are cut: a detail may quote what it refuses. */
const MAX_TEXT_CHARACTERS = 1000
const LENGTH_BYTES = 4

/** A letter as a record, in one Buffer: the length of the header, the header as JSON, then the payload. */
export function encodeLetter({ at, kind, reason, detail, source, payload }: DeadLetter): Buffer {
  const payloadBytes = Buffer.byteLength(payload)
  const header = JSON.stringify({ at, kind, reason, detail: cut(detail), source: cut(source), payloadBytes })
  const headerBytes = Buffer.byteLength(header)
  const payloadAt = LENGTH_BYTES + headerBytes
  const bytes = Buffer.allocUnsafe(payloadAt + Math.min(payloadBytes, MAX_PAYLOAD_BYTES))
  bytes.writeUInt32LE(headerBytes, 0)
  bytes.write(header, LENGTH_BYTES)
  if (typeof payload === 'string') bytes.write(payload, payloadAt)
  else payload.copy(bytes, payloadAt)
  return bytes
}

/** @returns undefined when the bytes are not a letter, or one of a later version */
export function decodeLetter(bytes: Buffer): KeptLetter | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined
  const payloadAt = LENGTH_BYTES + bytes.readUInt32LE(0)
  if (payloadAt > bytes.length) return undefined
  try {
    const header: unknown = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, payloadAt))
    return isHeader(header) ? { ...header, payload: bytes.subarray(payloadAt) } : undefined
  } catch {
    return undefined
  }
}

function cut(text: string): string {
  return text.length > MAX_TEXT_CHARACTERS ? `${text.slice(0, MAX_TEXT_CHARACTERS)}…` : text
}

function isHeader(value: unknown): value is Omit<KeptLetter, 'payload'> {
  if (typeof value !== 'object' || value === null) return false
  const { at, kind, reason, detail, source, payloadBytes } = value as Record<string, unknown>
  const hasTexts = [reason, detail, source].every((text) => typeof text === 'string')
  const isKnown = kind === 'message' || kind === 'line' || kind === 'text'
  return hasTexts && isKnown && [at, payloadBytes].every(Number.isFinite)
}
