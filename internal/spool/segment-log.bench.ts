import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { bench, describe } from 'vitest'
import { openSegmentLog } from './segment-log.ts'

const MIB = 1024 * 1024
const TOTAL_BYTES = 64 * MIB
const logger = pino({ enabled: false })

/** Appends 64 MiB, then reads all of it from disk. */
async function through(recordBytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-bench-'))
  const log = await openSegmentLog({ folder, maxBytes: 1024 * MIB, logger })
  const payload = Buffer.alloc(recordBytes, 'a payload')
  const records = TOTAL_BYTES / recordBytes
  for (let i = 0; i < records; i++) {
    while (log.append([payload], 1) === 'full') await log.written()
  }
  await log.written()
  for (let record = await log.next(); record !== undefined; record = await log.next()) log.commit(record.number)
  await log.close()
  await rm(folder, { recursive: true })
}

describe('64 MiB through the log: appended, written, read again, committed', () => {
  const options = { iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0 }
  bench('in records of 512 bytes', () => through(512), options)
  bench('in records of 64 KiB', () => through(64 * 1024), options)
  bench('in records of 1 MiB', () => through(MIB), options)
})
