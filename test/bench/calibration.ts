const TURNS = 4096
const text = Buffer.alloc(4096)

/**
 * A fixed piece of work of the kind that is measured beside it: bytes are hashed, numbers written digit by digit into a Buffer, short strings put
 * together and copied there. What slows the machine down slows it down likewise, so a benchmark's time divided by this one's tells of the
 * program alone. It stays within the innermost caches: one that looked up a table of 512 KB was slowed down by a busy neighbour more than
 * any benchmark, and halved the ratios of some. Never to be changed: all stored ratios would be of no use.
 *
 * @returns a number that depends on all of it
 */
export function calibrate(): number {
  let hash = 2_166_136_261
  let at = 0
  for (let turn = 0; turn < TURNS; turn++) {
    for (let i = 0; i < 16; i++) hash = Math.imul(hash ^ text[(turn + i) % text.length]!, 16_777_619)
    if (at > text.length - 64) at = 0
    for (let left = hash >>> 8; left > 0; left = Math.floor(left / 10)) text[at++] = 0x30 + (left % 10)
    if (turn % 4 === 0) at += text.write(`host-${turn & 127} value=${(hash >>> 20) / 100}\n`, at, 'latin1')
  }
  return hash + at
}
