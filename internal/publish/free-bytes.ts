/** Smaller ones may lie in a pool, and are no matter. */
const LEAST_BYTES = 64 * 1024

/**
 * Frees a large Buffer that is alone in its memory, where V8 would not do it before its next full collection: a written chunk
 * hangs on the request of its socket, which no collection of the young generation takes. The Buffer is empty then.
 */
export function freeBytes({ buffer, byteLength }: Buffer): void {
  if (byteLength < LEAST_BYTES || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return
  // What takes the memory over is garbage at once, and young. `transfer` would do without, from Node.js 21 on.
  structuredClone(buffer, { transfer: [buffer] })
}
