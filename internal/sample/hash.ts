/**
 * A hash of 32 bits, four bytes at a time: a multiplication for four bytes where FNV-1a has one for each.
 *
 * @param seed keeps those who choose the bytes from choosing the hash too
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed ^ (end - start)
  let at = start
  for (const last = end - 4; at <= last; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash = Math.imul(hash ^ word, 0x9e3779b1)
    hash ^= hash >>> 15
  }
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}

/** A seed that nobody else knows. */
export function newSeed(): number {
  return (Math.random() * 2 ** 32) | 0
}
