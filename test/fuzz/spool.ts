import { strict as assert } from 'node:assert'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import {
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER,
  type SegmentName,
  writeRecordHeader,
} from '../../internal/spool/segment-format.ts'
import { openSegmentLog } from '../../internal/spool/segment-log.ts'
import { SegmentScanner } from '../../internal/spool/segment-scanner.ts'
import { Random } from '../support/random.ts'
import { mutate } from './mutate.ts'
import type { Target } from './target.ts'

const RECORDS = 12
const NAME: SegmentName = { first: { number: 100, samples: 5000 }, salt: 0xdecaf }
const OTHER: SegmentName = { ...NAME, salt: 0xbadcafe }

interface Written {
  readonly payload: Buffer
  readonly samples: number
}

/** Records of all sizes. One contains the bytes of a record of another file, as a dead letter may. */
function recordsOf(seed: number): Written[] {
  const random = new Random(seed, 0)
  return Array.from({ length: RECORDS }, (_, n) => {
    const payload = n === 5 ? segmentOf(OTHER, [{ payload: random.bytes(20), samples: 3 }]) : random.bytes(n * n * 2)
    return { payload, samples: n }
  })
}

function segmentOf({ first, salt }: SegmentName, records: readonly Written[]): Buffer {
  let place = first
  const parts: Buffer[] = [SEGMENT_HEADER]
  for (const { payload, samples } of records) {
    const header = Buffer.alloc(RECORD_HEADER_BYTES)
    writeRecordHeader(header, 0, place, samples, [payload], salt)
    parts.push(header, payload)
    place = { number: place.number + 1, samples: place.samples + samples }
  }
  return Buffer.concat(parts)
}

/** The reader of a segment, which gets its bytes in pieces of any size. */
class ScannerTarget implements Target {
  readonly name = 'spool, one segment'
  readonly #records = recordsOf(1)
  readonly #good = segmentOf(NAME, this.#records)
  readonly #others = [this.#good, segmentOf(OTHER, this.#records)]

  make(random: Random): Buffer {
    // The salt of a file is in its name. With the salt of another file no record is valid.
    return random.below(16) === 0 ? random.bytes(random.below(600)) : mutate(random, this.#others)
  }

  take(input: Buffer, random: Random): boolean {
    const found = this.#scan(input, 1 + random.below(400))
    for (const number of found) assert.ok(number >= NAME.first.number && number < NAME.first.number + RECORDS)
    return found.length > 0
  }

  check(): void {
    assert.equal(this.#scan(this.#good, 64).length, RECORDS)
  }

  /** @returns the numbers of the records that were found; each is what was written */
  #scan(file: Buffer, pieceBytes: number): number[] {
    const scanner = new SegmentScanner(NAME)
    const found: number[] = []
    let [windowAt, windowEnd] = [0, 0]
    // Each step reads a record, skips at least one byte, or asks for more bytes.
    for (let steps = 0; ; steps++) {
      assert.ok(steps <= 2 * file.length + 10, 'the scanner goes round in a circle')
      const before = scanner.offset
      const record = scanner.next(file.subarray(windowAt, windowEnd), windowAt, file.length)
      assert.ok(scanner.offset >= before && scanner.offset <= file.length, 'the scanner leaves the file')
      if (record === undefined) return found
      if (typeof record === 'number') {
        assert.ok(scanner.offset + record <= file.length, 'it asks for more than the file has')
        const isEnough = scanner.offset >= windowAt && scanner.offset + record <= windowEnd
        assert.ok(!isEnough, 'it asks for what it has')
        windowAt = scanner.offset
        windowEnd = Math.min(file.length, windowAt + Math.max(record, pieceBytes))
        continue
      }
      const written = this.#records[record.place.number - NAME.first.number]
      assert.ok(written !== undefined, `a record ${record.place.number} that was never written`)
      assert.ok(record.payload.equals(written.payload), `record ${record.place.number} is not as it was written`)
      assert.equal(record.sampleCount, written.samples)
      found.push(record.place.number)
    }
  }
}

/**
 * The log of a folder. One of its files is damaged, truncated, removed or doubled; then the log is opened and read to
 * its end.
 */
class FolderTarget implements Target {
  readonly name = 'spool, a folder'
  readonly #root = mkdtempSync(join(tmpdir(), 'sentinel-fuzz-'))
  readonly #records: Written[] = []
  readonly #files: Array<{ readonly name: string; readonly bytes: Buffer }> = []
  #turn = 0

  /** Writes the folder from which the inputs are made, by the log itself. */
  static async open(): Promise<FolderTarget> {
    const target = new FolderTarget()
    const folder = join(target.#root, 'good')
    const log = await openSegmentLog({
      folder,
      maxBytes: 1 << 20,
      segmentBytes: 1500,
      logger: pino({ level: 'silent' }),
    })
    for (let round = 1; round <= 3; round++) {
      for (const record of recordsOf(round)) {
        target.#records.push(record)
        log.append([record.payload], record.samples)
      }
      await log.written()
    }
    log.commit(4)
    await log.close()
    for (const name of readdirSync(folder).sort()) target.#files.push({ name, bytes: readFileSync(join(folder, name)) })
    return target
  }

  make(random: Random): Buffer {
    return mutate(
      random,
      this.#files.map(({ bytes }) => bytes),
    )
  }

  async take(input: Buffer, random: Random): Promise<boolean> {
    const victim = random.below(this.#files.length)
    const isGone = random.below(10) === 0
    const files = this.#files.flatMap((file, n) =>
      n !== victim ? [file] : isGone ? [] : [{ name: file.name, bytes: input }],
    )
    if (random.below(10) === 0) files.push({ name: random.pick(this.#files).name.replace(/^./, '9'), bytes: input })
    const { read } = await this.#read(files)
    return read > 0
  }

  async check(): Promise<void> {
    const { read, damaged } = await this.#read(this.#files)
    assert.equal(read + damaged, this.#records.length - 5)
    assert.equal(damaged, 0)
  }

  async close(): Promise<void> {
    rmSync(this.#root, { recursive: true, force: true })
  }

  async #read(files: ReadonlyArray<{ name: string; bytes: Buffer }>): Promise<{ read: number; damaged: number }> {
    const folder = join(this.#root, `${this.#turn++}`)
    mkdirSync(folder)
    for (const { name, bytes } of files) writeFileSync(join(folder, name), bytes)
    const log = await openSegmentLog({
      folder,
      maxBytes: 1 << 20,
      segmentBytes: 1500,
      logger: pino({ level: 'silent' }),
    })
    let [read, last] = [0, -1]
    for (let record = await log.next(); record !== undefined; record = await log.next()) {
      assert.ok(record.number > last, `record ${record.number} after ${last}`)
      last = record.number
      const written = this.#records[record.number]
      assert.ok(written !== undefined, `a record ${record.number} that was never written`)
      assert.ok(record.payload.equals(written.payload), `record ${record.number} is not as it was written`)
      assert.equal(record.samples, written.samples)
      read++
    }
    // The log holds what was read until it is committed; damaged records it does not hold.
    assert.equal(log.records, read, `held after ${read} were read and ${log.damaged.records} found damaged`)
    const number = log.append([Buffer.from('after')], 1)
    assert.ok(typeof number === 'number' && number > last, 'nothing can be appended after the damage')
    assert.equal((await log.next())?.payload.toString(), 'after')
    await log.close()
    rmSync(folder, { recursive: true, force: true })
    return { read, damaged: log.damaged.records }
  }
}

/** The targets that read a log from disk. */
export async function spoolTargets(): Promise<Target[]> {
  return [new ScannerTarget(), await FolderTarget.open()]
}
