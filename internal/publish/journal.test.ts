import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSegmentLog, type SegmentLog } from '../spool/segment-log.ts'
import { Journal } from './journal.ts'
import type { JournalRecord } from './journal-record.ts'
import { endMarker, OutgoingMessage } from './message.ts'
import { Run } from './run.ts'

let folder: string
let log: SegmentLog
let journal: Journal
const run = new Run('h/agent/1', 0, 'running')

function message(seq: number): OutgoingMessage {
  const payload = Buffer.alloc(20, seq)
  return new OutgoingMessage({ payload, run, seq, firstSample: 2 * seq, samples: 2, madeAt: 1, madeAtUptimeUs: 2 })
}

async function open(maxBytes = 2 ** 20): Promise<void> {
  log = await openSegmentLog({ folder, maxBytes, segmentBytes: 1000, logger: pino({ level: 'silent' }) })
  journal = new Journal(log)
}

/** What the next process reads from the journal. */
async function reopened(): Promise<Array<Pick<JournalRecord, 'seq' | 'samples'>>> {
  await journal.close()
  await open()
  const found: Array<Pick<JournalRecord, 'seq' | 'samples'>> = []
  for await (const record of journal.read()) if ('payload' in record) found.push(record)
  return found
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-journal-'))
  await open()
})

afterEach(async () => {
  await log.close()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

it('reads back what a record says of a message and of its run', async () => {
  const run = new Run('h/agent/ä', 0, 'running')
  run.withdraw(3, 40)
  const fields = { seq: 5, firstSample: 9, samples: 2, madeAt: 2 ** 50, madeAtUptimeUs: 7 }
  journal.add(new OutgoingMessage({ payload: Buffer.from('bytes'), run, ...fields }))
  const [record] = await reopened()
  expect(record).toEqual({
    ...fields,
    ...{ record: 0, runId: 'h/agent/ä', withdrawnMessages: 3, withdrawnSamples: 40, payload: Buffer.from('bytes') },
  })
})

it('commits a forgotten record once no older one is kept', () => {
  const records = [0, 1, 2].map((seq) => journal.add(message(seq))!)
  journal.forget(records[1]!)
  expect(log.records).toBe(3)
  journal.forget(records[0]!)
  expect(log.records).toBe(1)
})

describe('the end marker in reserve', () => {
  const makeEndMarker = (): OutgoingMessage => endMarker(run, 1, 2)

  it('is there from the begin of a run to its end', async () => {
    journal.openRun(makeEndMarker)
    expect(log.records).toBe(1)
    journal.closeRun()
    expect(log.records).toBe(0)
  })

  it('moves behind the forgotten records once more than 64 of them lie behind it', () => {
    journal.openRun(makeEndMarker)
    const records = Array.from({ length: 65 }, (_, seq) => journal.add(message(seq))!)
    for (const record of records.slice(0, 64)) journal.forget(record)
    expect(log.records).toBe(66)
    journal.forget(records[64]!)
    expect(log.records).toBe(1)
  })

  it('stays where it is while an older record is kept', () => {
    const older = journal.add(message(0))!
    journal.openRun(makeEndMarker)
    for (let seq = 1; seq <= 200; seq++) journal.forget(journal.add(message(seq))!)
    expect(log.records).toBe(202)
    journal.forget(older)
    journal.forget(journal.add(message(201))!)
    expect(log.records).toBe(1)
  })

  it('waits while the log is full, and is written once it has room', async () => {
    await log.close()
    await open(100)
    const kept = journal.add(message(0))!
    journal.openRun(makeEndMarker)
    expect(log.records).toBe(1)
    expect(journal.problem).toContain('no room')
    journal.forget(kept)
    expect([log.records, journal.problem]).toEqual([1, ''])
    expect(await reopened()).toMatchObject([{ samples: 0 }])
  })

  it('is for one run at a time', () => {
    journal.openRun(makeEndMarker)
    expect(() => journal.openRun(makeEndMarker)).toThrow('one run at a time')
  })
})
