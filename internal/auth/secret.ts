import { hash, randomBytes } from 'node:crypto'

/** Where a text with this stands, a key has leaked: scanners of code and logs find it. */
const PREFIX = 'sentinel_'
const KEY_BYTES = 32

/** A new key: 256 random bits, as a text that fits into any header. */
export function newKey(): string {
  return `${PREFIX}${randomBytes(KEY_BYTES).toString('base64url')}`
}

/**
 * What is kept of a key: its SHA-256, in hexadecimal digits. A key has 256 bits, so nobody finds it from that, and a slower
 * hash would only cost time.
 */
export function digestOf(secret: string): string {
  return hash('sha256', secret)
}
