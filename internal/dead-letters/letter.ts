/** What was rejected, as it came. */
export interface DeadLetter {
  /** When it was rejected, ms since the Unix epoch. */
  readonly at: number
  /** `message`: bytes as a broker delivered them; `line`: a sample as line protocol. */
  readonly kind: 'message' | 'line'
  readonly reason: string
  readonly detail: string
  /** The source id, or what else is known of where it comes from. */
  readonly source: string
  /** Copied: need be valid only during the call. */
  readonly payload: Buffer | string
}

/** A letter as it was kept. */
export interface KeptLetter extends DeadLetter {
  readonly payload: Buffer
  /** Of the payload when it came; more than `payload` holds where that was cut. */
  readonly payloadBytes: number
}

/** No message that a broker takes in is larger; what still is, is cut. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
/** A reason that quotes what it refuses can be as long as that. */
const MAX_TEXT_CHARACTERS = 1000
const LENGTH_BYTES = 4

/** A letter as a record: the length of a header, the header as JSON, then the payload. A copy, in one Buffer. */
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

/** @returns undefined for what is no letter, or one of a later version */
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
  return hasTexts && (kind === 'message' || kind === 'line') && [at, payloadBytes].every(Number.isFinite)
}
