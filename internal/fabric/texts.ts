/** Many texts in one block of bytes: a list of 100,000 strings would be 100,000 objects for the garbage collector. */
export class Texts {
  /** Where each text begins in `bytes`, and at last where the last one ends. */
  readonly starts: Uint32Array
  /** UTF-8. */
  readonly bytes: Uint8Array
  /** The same bytes: to make a view for each text would take longer than to read it. */
  readonly #readable: Buffer

  constructor(starts: Uint32Array, bytes: Uint8Array) {
    this.starts = starts
    this.bytes = bytes
    this.#readable = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get length(): number {
    return this.starts.length - 1
  }

  at(place: number): string {
    return this.#readable.toString('utf8', this.starts[place]!, this.starts[place + 1]!)
  }

  /** The same in memory of its own. */
  copy(): Texts {
    return new Texts(this.starts.slice(), new Uint8Array(this.bytes))
  }

  /** Whether both have the same texts in the same order. */
  equals(other: Texts): boolean {
    return sameBytes(this.bytes, other.bytes) && sameBytes(bytesOf(this.starts), bytesOf(other.starts))
  }
}

/** Collects texts. */
export class TextsBuilder {
  #starts = new Uint32Array(1024)
  #bytes = Buffer.allocUnsafe(16 * 1024)
  #count = 0

  get length(): number {
    return this.#count
  }

  clear(): void {
    this.#count = 0
  }

  /** Adds a text of the bytes from `start` to `end`, which are UTF-8. @returns its place */
  addBytes(source: Uint8Array, start: number, end: number): number {
    const at = this.#room(end - start)
    // Ids are short: a copy by the runtime would cost more than the loop.
    for (let from = start, to = at; from < end; from++, to++) this.#bytes[to] = source[from]!
    return this.#close(at + end - start)
  }

  add(text: string): number {
    const at = this.#room(text.length * 3)
    return this.#close(at + this.#bytes.write(text, at))
  }

  /** The texts so far, in arrays of their own. */
  build(): Texts {
    return new Texts(this.#starts.slice(0, this.#count + 1), Uint8Array.from(this.#bytes.subarray(0, this.#end)))
  }

  get #end(): number {
    return this.#starts[this.#count]!
  }

  #room(bytes: number): number {
    const at = this.#end
    if (at + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(at + bytes, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    return at
  }

  #close(end: number): number {
    if (this.#count + 1 >= this.#starts.length) {
      const larger = new Uint32Array(2 * this.#starts.length)
      larger.set(this.#starts)
      this.#starts = larger
    }
    this.#starts[++this.#count] = end
    return this.#count - 1
  }
}

export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
