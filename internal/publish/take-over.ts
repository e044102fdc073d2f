import type { Damage, Journal } from './journal.ts'
import type { JournalRecord } from './journal-record.ts'
import { endMarker, OutgoingMessage } from './message.ts'
import type { Outbox } from './outbox.ts'
import { Run } from './run.ts'

/** What earlier processes left. */
export interface TakenOver {
  readonly messages: number
  readonly samples: number
  /** The part of it that cannot be read. */
  readonly damaged: Damage
}

export interface Moment {
  /** µs since the epoch. */
  readonly nowUs: number
  /** µs since the machine started (`machineUptimeUs`). */
  readonly uptimeUs: number
}

/**
 * Puts into the outbox what earlier processes left in the journal, unchanged, and behind the messages of each run its
 * end marker. To be called before anything else is put there.
 */
export async function takeOver(journal: Journal, outbox: Outbox, now: Moment): Promise<TakenOver> {
  const runs = new Map<string, LeftRun>()
  const oldEndMarkers: number[] = []
  const damaged = { records: 0, samples: 0 }
  /** Damage before the first record that can be read. */
  const first = { records: 0, samples: 0 }
  let [messages, samples] = [0, 0]
  let newest: LeftRun | undefined
  for await (const record of journal.read()) {
    if (!('payload' in record)) {
      damaged.records += record.records
      damaged.samples += record.samples
      // Nothing says which run it was of: most likely of the one that wrote the record before, or else the one behind.
      if (newest !== undefined) newest.run.withdrawBehind(newest.run.header.seq - 1, record.records, record.samples)
      else {
        first.records += record.records
        first.samples += record.samples
      }
      continue
    }
    newest = runs.get(record.runId) ?? newLeftRun(record.runId, runs.size)
    if (runs.size === 0) newest.run.withdraw(first.records, first.samples)
    runs.set(record.runId, newest)
    learn(newest, record)
    const message = toMessage(record, newest.run, now)
    if (message.isEndMarker) {
      newest.endMarker = message
      oldEndMarkers.push(record.record)
    } else {
      messages++
      samples += record.samples
      outbox.put(message)
    }
  }
  for (const { run, withdrawnMessages, withdrawnSamples, endMarker: old } of runs.values()) {
    run.withdraw(withdrawnMessages, withdrawnSamples)
    // It grows old from when it was first made, like any message. So end markers that no server ever hears do not pile
    // up.
    outbox.put(endMarker(run, old?.madeAt ?? now.nowUs, old?.madeAtUptimeUs ?? now.uptimeUs))
  }
  // The journal has them once more now, with all that is known of their runs.
  for (const record of oldEndMarkers) journal.forget(record)
  return { messages, samples, damaged }
}

/**
 * A run that an earlier process left, and what it had withdrawn by its records. What this process withdraws counts in
 * the run itself.
 */
interface LeftRun {
  readonly run: Run
  withdrawnMessages: number
  withdrawnSamples: number
  endMarker?: Pick<OutgoingMessage, 'madeAt' | 'madeAtUptimeUs'>
}

function newLeftRun(id: string, order: number): LeftRun {
  return { run: new Run(id, order, 'ending'), withdrawnMessages: 0, withdrawnSamples: 0 }
}

function learn(left: LeftRun, record: JournalRecord): void {
  const { header } = left.run
  const next = record.payload.length > 0 ? record.seq + 1 : record.seq
  header.seq = Math.max(header.seq, next)
  header.firstSample = Math.max(header.firstSample, record.firstSample + record.samples)
  left.withdrawnMessages = Math.max(left.withdrawnMessages, record.withdrawnMessages)
  left.withdrawnSamples = Math.max(left.withdrawnSamples, record.withdrawnSamples)
}

function toMessage(journaled: JournalRecord, run: Run, now: Moment): OutgoingMessage {
  const { seq, firstSample, samples, payload, madeAt, record } = journaled
  const madeAtUptimeUs = now.uptimeUs - ageUs(journaled, now)
  return new OutgoingMessage({ payload, run, seq, firstSample, samples, madeAt, madeAtUptimeUs, record })
}

/**
 * The clock may have been set in between. A clock that went back gives age 0. A clock that leapt ahead gives an age
 * that the uptime shows to be too high. After a restart of the machine only the clock is left.
 */
function ageUs({ madeAt, madeAtUptimeUs }: JournalRecord, now: Moment): number {
  const byClock = Math.max(0, now.nowUs - madeAt)
  return now.uptimeUs >= madeAtUptimeUs ? Math.min(byClock, now.uptimeUs - madeAtUptimeUs) : byClock
}
