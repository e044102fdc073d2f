/** Partitions differ in their share of the ring by about 1/√150 = 8 %. */
const VIRTUAL_NODES = 150

/**
 * Consistent hashing: which partition a key belongs to. The same key and number of partitions give the same partition
 * in every process and version, because publishers and the HTTP gateway must agree. One more partition moves only the
 * keys that it gets.
 */
export class HashRing {
  /** The positions of the virtual nodes on the ring, ascending; `#owners` holds their partitions. */
  readonly #positions: Uint32Array
  readonly #owners: Uint16Array

  constructor(partitions: number) {
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > 65_535) {
      throw new RangeError(`${partitions} partitions: must be a whole number from 1 to 65535`)
    }
    const nodes: Array<readonly [position: number, owner: number]> = []
    for (let partition = 0; partition < partitions; partition++) {
      for (let node = 0; node < VIRTUAL_NODES; node++) nodes.push([hash(`${partition}#${node}`), partition])
    }
    nodes.sort((a, b) => a[0] - b[0] || a[1] - b[1])
    this.#positions = Uint32Array.from(nodes, ([position]) => position)
    this.#owners = Uint16Array.from(nodes, ([, owner]) => owner)
  }

  /** The owner of the first virtual node at or after the key's position, around the ring. */
  partitionOf(key: string): number {
    const position = hash(key)
    let low = 0
    let high = this.#positions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#positions[middle]! < position) low = middle + 1
      else high = middle
    }
    return this.#owners[low === this.#positions.length ? 0 : low]!
  }
}

/**
 * FNV-1a over the UTF-16 units (32 bit), then MurmurHash3's finalizer. FNV alone leaves keys that differ in their
 * last digit next to each other, and host names do.
 */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    h = Math.imul(h ^ (unit & 0xff), 0x01000193)
    h = Math.imul(h ^ (unit >>> 8), 0x01000193)
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
