import {
  findMarker,
  isIntact,
  type Place,
  RECORD_HEADER_BYTES,
  readRecordHeader,
  SEGMENT_HEADER,
  type SegmentName,
} from './segment-format.ts'

/** An intact record as it stands in a file. */
export interface StoredRecord {
  readonly place: Place
  /** The place behind it. */
  readonly end: Place
  readonly sampleCount: number
  /** A part of the window that was scanned. */
  readonly payload: Buffer
}

/**
 * Finds the intact records of one segment, even in a damaged file. It works on bytes that it is given, and says how
 * many it needs. It never asks for more than the file has, so that a damaged length reserves no memory.
 */
export class SegmentScanner {
  /** The place in the file where it looks next. */
  offset = 0
  /** The place behind the last record of which at least the header was intact. */
  known: Place
  /** Whether there is something unreadable behind that. */
  hasUnknownTail = false
  readonly #salt: number
  /** Where that last record ends, or would if it were whole. */
  #knownTo = 0

  constructor({ first, salt }: SegmentName) {
    this.known = first
    this.#salt = salt
  }

  /**
   * Goes on from `offset`.
   *
   * @param window a part of the file that begins at `windowAt`
   * @param fileBytes the size of the file; whole records were written up to there, or it is damaged
   * @returns the next intact record; or how many bytes from `offset` on must be in the window to go on; undefined at
   *   the end of the file
   */
  next(window: Buffer, windowAt: number, fileBytes: number): StoredRecord | number | undefined {
    for (;;) {
      const left = fileBytes - this.offset
      if (left <= 0) return undefined
      const at = this.offset - windowAt
      const here = at >= 0 ? Math.min(window.length - at, left) : 0
      const wanted = Math.min(RECORD_HEADER_BYTES, left)
      if (here < wanted) return wanted
      if (this.offset === 0 && window.subarray(at, at + SEGMENT_HEADER.length).equals(SEGMENT_HEADER)) {
        this.offset = SEGMENT_HEADER.length
        continue
      }
      const header = left < RECORD_HEADER_BYTES ? undefined : readRecordHeader(window, at, this.#salt)
      if (header === undefined) {
        this.offset = windowAt + findMarker(window.subarray(0, at + here), at + 1)
        this.hasUnknownTail = this.offset > this.#knownTo
        continue
      }
      const end = {
        number: header.number + 1,
        samples: header.samples + header.sampleCount,
      }
      const wholeBytes = RECORD_HEADER_BYTES + header.payloadBytes
      if (wholeBytes <= left && here < wholeBytes) return wholeBytes
      if (end.number > this.known.number) this.known = end
      this.#knownTo = this.offset + wholeBytes
      this.hasUnknownTail = false
      const payload = window.subarray(at + RECORD_HEADER_BYTES, at + wholeBytes)
      if (wholeBytes > left || !isIntact(payload, header, this.#salt)) {
        // Some of its bytes may be missing, and the next record may begin before its end. So all of it is searched.
        this.offset += RECORD_HEADER_BYTES
        continue
      }
      this.offset += wholeBytes
      return {
        place: { number: header.number, samples: header.samples },
        end,
        sampleCount: header.sampleCount,
        payload,
      }
    }
  }
}
