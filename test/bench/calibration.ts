const BYTES = 64 * 1024
const bytes = Uint8Array.from({ length: BYTES }, (_, i) => (i * 131) ^ (i >> 5))
const table = new Float64Array(1 << 16)
const text = Buffer.alloc(4096)

/**
 * A fixed piece of work of the kind that is measured beside it: bytes are hashed, a table of 512 KB is looked up and written to at places that no
 * cache foresees, short strings are put together and written into a Buffer. What slows the machine down slows it down likewise, so
 * a benchmark's time divided by this one's tells of the program alone. Never to be changed: all stored ratios would be of no use.
 *
 * @returns a number that depends on all of it
 */
export function calibrate(): number {
  let hash = 2_166_136_261
  let at = 0
  for (let i = 0; i < BYTES; i++) {
    hash = Math.imul(hash ^ bytes[i]!, 16_777_619)
    if (i % 4 === 0) table[hash >>> 16]! += i
    if (i % 64 !== 0) continue
    const line = `host-${i & 127} value=${(hash >>> 20) / 100} ${i}\n`
    if (at + line.length > text.length) at = 0
    at += text.write(line, at, 'latin1')
  }
  return hash + at + table[0]!
}
