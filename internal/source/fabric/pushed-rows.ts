import { type GenerationHead, generationId, nameOf, type SnapshotSink } from '../../fabric/generation.ts'
import { mergeSnapshots } from '../../fabric/merge-snapshots.ts'
import type { ColumnKind, Snapshot } from '../../fabric/snapshot.ts'
import { decodeSnapshot } from '../../fabric/decode-snapshot.ts'
import { encodeSnapshot } from '../../fabric/encode-snapshot.ts'
import { TableReader } from '../../fabric/table-reader.ts'
import { MAX_FIELDS } from '../../sample/shape.ts'
import type { Clock } from '../../time/clock.ts'
import { earlierSnapshots } from './earlier-snapshots.ts'
import { SampleSender, type SendFrame } from './sample-sender.ts'

/** The target of rows that nobody asked for. */
const TARGET = 'push'
/** The most rows that are kept together. */
const MOST_ROWS = 200_000

export interface PushedRowsOptions {
  readonly fabric: string
  /** Names this process among those that announce the fabric. */
  readonly publisher: string
  readonly snapshots: SnapshotSink
  readonly send: SendFrame
  readonly clock: Clock
}

/** What was taken of a push. */
export interface PushTaken {
  readonly rows: number
  readonly badRows: number
  readonly badCells: number
}

/** There would be too many rows or columns. */
export class PushTooLarge extends Error {
  constructor(count: number, what: string, most: number) {
    super(`${count} ${what}; at most ${most} are kept together`)
    this.name = 'PushTooLarge'
  }
}

/** Takes the rows of a fabric that are pushed, as a source takes those that it asks for: one push after the other. */
export class PushedRows {
  readonly #options: PushedRowsOptions
  readonly #kinds = new Map<string, ColumnKind>()
  readonly #reader = new TableReader({
    kinds: this.#kinds,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  })
  readonly #sender: SampleSender
  readonly #stop = new AbortController()
  /** Whether the broker has said what an earlier process took. */
  #isTakenOver = false
  #newest: Snapshot | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: PushedRowsOptions) {
    this.#options = options
    this.#sender = new SampleSender(options.send)
  }

  /**
   * Resolves when the broker has the snapshot, and the publisher the samples.
   *
   * @param table CSV
   * @param isWhole whether it has all rows; else those of the pushes before stay beside it
   * @throws TableError where nothing of it is taken
   * @throws PushTooLarge
   * @throws BrokerError
   */
  take(table: Buffer, isWhole: boolean): Promise<PushTaken> {
    const taken = this.#last.then(() => this.#take(table, isWhole))
    this.#last = taken.catch(() => {})
    return taken
  }

  /** Leaves out what is not sent yet. */
  stop(): void {
    this.#stop.abort(new Error('the process is stopping'))
  }

  async #take(bytes: Buffer, isWhole: boolean): Promise<PushTaken> {
    if (!this.#isTakenOver) await this.#takeOver()
    const takenAtUs = this.#options.clock.now()
    const table = await this.#reader.read(bytes, takenAtUs)
    const { snapshot, badRows, badCells } = table
    const isMerged = !isWhole && this.#newest?.parts.subject === snapshot.parts.subject
    const shown = isMerged ? mergeSnapshots(this.#newest!, snapshot) : snapshot
    const { columns } = shown.parts
    if (shown.rows > MOST_ROWS) throw new PushTooLarge(shown.rows, 'rows', MOST_ROWS)
    if (columns.length > MAX_FIELDS) throw new PushTooLarge(columns.length, 'metrics', MAX_FIELDS)
    const encoded = encodeSnapshot(shown)
    await this.#announce(encoded, { takenAtUs, rows: shown.rows, badRows })
    // The reader reads the next table into the same arrays.
    this.#newest = decodeSnapshot(encoded)
    await this.#sender.sendAll(table, takenAtUs, this.#stop.signal)
    return { rows: snapshot.rows, badRows, badCells }
  }

  /** Some values that are pushed after a restart stay beside those of before, and a column keeps its kind. */
  async #takeOver(): Promise<void> {
    const { snapshots, fabric, publisher } = this.#options
    for await (const { head, snapshot } of earlierSnapshots(snapshots, fabric, publisher)) {
      if (head.target !== TARGET) continue
      this.#newest = snapshot
      for (const { name, kind } of snapshot.parts.columns) this.#kinds.set(name, kind)
    }
    this.#isTakenOver = true
  }

  async #announce(bytes: Buffer, of: { takenAtUs: number; rows: number; badRows: number }): Promise<void> {
    const { fabric, publisher, snapshots, clock } = this.#options
    const atUs = clock.now()
    const target = { ...of, target: TARGET, snapshot: generationId(atUs), bytes: bytes.length, up: true }
    const head: GenerationHead = {
      ...{ fabric, publisher, id: generationId(atUs), atUs, checkedAtUs: atUs, intervalMs: 0, targets: [target] },
      cycle: { fetchMs: 0, parseMs: 0, publishMs: 0 },
    }
    await snapshots.put(nameOf(head, target), bytes)
    await snapshots.announce(head)
  }
}
