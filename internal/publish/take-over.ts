import type { Damage, Journal, JournalEntry } from './journal.ts'
import type { Outbox } from './outbox.ts'
import { isLastWord, lastWord, newRun, type OutgoingMessage, type Run, withdraw } from './message.ts'

/** What earlier processes left. */
export interface Restored {
  readonly messages: number
  readonly samples: number
  /** What of it could not be read. */
  readonly damaged: Damage
}

/** This moment: µs since the epoch, and by `ticks`. */
export interface Moment {
  readonly us: number
  readonly ticks: number
}

/**
 * Puts into the outbox what earlier processes left in the journal, as it was, and behind each of their sources the word that nothing more of
 * it is to come. To be called before anything else is put there.
 */
export async function restore(journal: Journal, outbox: Outbox, now: Moment): Promise<Restored> {
  const lives = new Map<string, Life>()
  const lastWords: number[] = []
  const damaged = { records: 0, samples: 0 }
  let [messages, samples] = [0, 0]
  let newest: Life | undefined
  for await (const entry of journal.read()) {
    if (!('payload' in entry)) {
      damaged.records += entry.records
      damaged.samples += entry.samples
      // Nothing says whose it was: most likely of the source that wrote before it.
      if (newest !== undefined) withdraw(newest.source, entry.records, entry.samples)
      continue
    }
    newest = lives.get(entry.run) ?? { source: newRun(entry.run, lives.size), messages: 0, samples: 0 }
    lives.set(entry.run, newest)
    learn(newest, entry)
    const message = toMessage(entry, newest.source, now)
    if (isLastWord(message)) {
      newest.saidAt = message
      lastWords.push(entry.record)
    } else {
      messages++
      samples += entry.samples
      outbox.put(message)
    }
  }
  for (const { source, messages, samples, saidAt } of lives.values()) {
    withdraw(source, messages, samples)
    // It grows old like the others, from when it was first said: lives that nobody ever hears of do not pile up.
    outbox.put(lastWord(source, saidAt?.madeAt ?? now.us, saidAt?.madeAtTicks ?? now.ticks))
  }
  // They are in the journal anew, with all that is known now.
  for (const record of lastWords) journal.done(record)
  return { messages, samples, damaged }
}

/** A source, and what it had withdrawn by its own word; what is given up here is counted in the source itself. */
interface Life {
  readonly source: Run
  messages: number
  samples: number
  saidAt?: Pick<OutgoingMessage, 'madeAt' | 'madeAtTicks'>
}

function learn(life: Life, entry: JournalEntry): void {
  const { header } = life.source
  const next = entry.payload.length > 0 ? entry.seq + 1 : entry.seq
  header.seq = Math.max(header.seq, next)
  header.firstSample = Math.max(header.firstSample, entry.firstSample + entry.samples)
  life.messages = Math.max(life.messages, entry.withdrawnMessages)
  life.samples = Math.max(life.samples, entry.withdrawnSamples)
}

function toMessage(entry: JournalEntry, source: Run, now: Moment): OutgoingMessage {
  const { seq, firstSample, samples, payload, madeAt, record } = entry
  return { seq, firstSample, samples, payload, madeAt, record, run: source, madeAtTicks: now.ticks - ageUs(entry, now) }
}

/**
 * The clock may have been set since: one that went back gives no age, and one that leapt ahead an age that the timer, which began when the machine
 * did, knows to be too high. Only over a restart of the machine is there nothing but the clock.
 */
function ageUs({ madeAt, madeAtTicks }: JournalEntry, now: Moment): number {
  const byClock = Math.max(0, now.us - madeAt)
  return now.ticks >= madeAtTicks ? Math.min(byClock, now.ticks - madeAtTicks) : byClock
}
