import { type LogFile, realFiles } from './files.ts'
import type { SegmentName } from './segment-format.ts'
import { SegmentScanner, type StoredRecord } from './segment-scanner.ts'

/** The size of one read: one system call for a thousand small records, and 2 ms of copying at most. */
const CHUNK_BYTES = 256 * 1024

/**
 * Reads the intact records of a segment file in order, a chunk at a time. A record that is larger has a chunk of its
 * own.
 */
export class SegmentReader {
  readonly scanner: SegmentScanner
  readonly #file: LogFile
  #window: Buffer = Buffer.alloc(0)
  #windowAt = 0

  private constructor(file: LogFile, name: SegmentName) {
    this.#file = file
    this.scanner = new SegmentScanner(name)
  }

  static async open(path: string, name: SegmentName, files = realFiles): Promise<SegmentReader> {
    return new SegmentReader(await files.open(path, 'r'), name)
  }

  /**
   * The next intact record within the first `fileBytes` of the file; undefined when there is none. Its payload is a
   * part of a chunk, which is not written to again.
   */
  async next(fileBytes: number): Promise<StoredRecord | undefined> {
    for (;;) {
      const found = this.scanner.next(this.#window, this.#windowAt, fileBytes)
      if (typeof found !== 'number') return found
      const { offset } = this.scanner
      const wanted = Math.min(Math.max(found, CHUNK_BYTES), fileBytes - offset)
      const window = await this.#read(offset, wanted)
      // The file is shorter than the caller said.
      if (window.length < found) fileBytes = offset + window.length
      this.#window = window
      this.#windowAt = offset
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#file.read(bytes, filled, length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return bytes.subarray(0, filled)
  }
}
