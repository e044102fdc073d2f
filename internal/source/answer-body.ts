import { sizeText } from '../text/size.ts'
import { TargetError } from './target-error.ts'

const FIRST_BYTES = 64 * 1024
/** So much more than is expected: answers differ by some bytes. What was never written takes no memory. */
const MORE = 1.25

/**
 * Collects the body of one answer after the other in one Buffer, which grows to the largest: 30 MB that are made anew
 * every ten seconds would be garbage until the collector finds them.
 */
export class AnswerBody {
  readonly #maxBytes: number
  readonly #setting: string
  readonly #onBytes: (bytes: number) => void
  #buffer = Buffer.alloc(0)
  #length = 0

  /**
   * @param setting the one that bounds it, for people
   * @param onBytes told of each chunk that was added, which is garbage from then on
   */
  constructor(maxBytes: number, setting = 'fabric.maxBodyBytes', onBytes: (bytes: number) => void = () => {}) {
    this.#maxBytes = maxBytes
    this.#setting = setting
    this.#onBytes = onBytes
  }

  /** Begins the next body. The one before is overwritten. @param bytes how many are expected @throws TargetError */
  begin(bytes = 0): void {
    this.#length = 0
    this.#reserve(bytes)
  }

  /** @throws TargetError where it is too large */
  add(chunk: Uint8Array): void {
    this.#reserve(this.#length + chunk.length)
    this.#buffer.set(chunk, this.#length)
    this.#length += chunk.length
    this.#onBytes(chunk.length)
  }

  /** The body: valid until the next one begins. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #reserve(bytes: number): void {
    if (bytes > this.#maxBytes) {
      this.#buffer = Buffer.alloc(0)
      throw new TargetError(
        'too_large',
        `its answer has more than ${sizeText(this.#maxBytes)}: raise ${this.#setting} if that is right`,
      )
    }
    if (bytes <= this.#buffer.length) return
    const grown = Math.min(
      this.#maxBytes,
      Math.max(FIRST_BYTES, Math.ceil(MORE * bytes), this.#length === 0 ? 0 : 2 * this.#buffer.length),
    )
    const larger = Buffer.allocUnsafeSlow(grown)
    larger.set(this.bytes)
    this.#buffer = larger
  }
}
