import type { TestServer } from '../support/servers.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { Member } from './member.ts'

/**
 * A way of samples to the servers beside the publisher's: through a program that answers for them. Whoever hands it
 * samples keeps the notes, and outlives all kills.
 */
export interface Flow {
  /** Its programs, in the order in which the samples go through them. The first is the one that faults end. */
  readonly members: readonly Member[]
  /** Answers so far that there is no room, or that nothing is durable now. */
  readonly refusals: number
  /** Nothing new from now on. Resolves once whoever hands on samples has an answer for each of them. */
  hold(): Promise<void>
  /** Whether its programs hold nothing any more, as their metrics say. */
  hasSent(): Promise<boolean>
  /** Called when all programs are stopped. */
  compare(found: Found): Promise<Compared>
  close(): Promise<void>
}

/** Where a flow is started. */
export interface FlowPlace {
  readonly broker: string
  readonly redis: TestServer
  /** @returns an empty folder */
  folder(name: string): Promise<string>
}

/** What became of all samples. */
export interface Found {
  readonly url: string
  readonly database: string
  readonly letters: DeadLetters
  /** Whether Redis may have forgotten what it took then. */
  isForgiven(takenAtMs: number): boolean
}

export interface Compared {
  /** Samples that are owed; of these, those in the database as they were handed over, and those in dead letters. */
  readonly sent: number
  readonly stored: number
  readonly deadLetters: number
  readonly problems: readonly string[]
}
