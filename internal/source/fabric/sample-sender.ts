import { FrameRowEncoder } from '../../codec/frame-rows.ts'
import type { KnownRows } from '../../fabric/known-rows.ts'
import type { Table } from '../../fabric/table-reader.ts'
import { TableSamples } from '../../fabric/table-samples.ts'

/** Sends what the encoder has gathered, and waits until there is room for more, or for the signal. */
export type SendFrame = (encoder: FrameRowEncoder, signal: AbortSignal) => Promise<void>

/**
 * Texts that tell of a row are sent when they change, and once in 10 minutes anyway: the window of a query may begin
 * later. Each sixtieth of the rows has a turn of 10 s.
 */
const [TURNS, TURN_US] = [60, 10e6]

/** Sends the rows of tables as samples, frame by frame. */
export class SampleSender {
  readonly #encoder = new FrameRowEncoder()
  readonly #send: SendFrame
  /** The turn in which a table of these rows came last. */
  readonly #turns = new WeakMap<KnownRows, number>()

  constructor(send: SendFrame) {
    this.#send = send
  }

  /**
   * @param atUs when the table came, µs since the epoch
   * @param signal when it fires, the rest is left out
   * @returns rows that were left out
   */
  async sendAll(table: Table, atUs: number, signal: AbortSignal): Promise<number> {
    const { snapshot, columns } = table
    const samples = new TableSamples(table, this.#encoder)
    for (const number of columns.info.length > 0 ? this.#toldNow(table, atUs) : []) {
      if (samples.addInfo(number, atUs)) continue
      await this.#send(this.#encoder, signal)
      if (signal.aborted) return snapshot.rows
      samples.addInfo(number, atUs)
    }
    for (let row = 0; row < snapshot.rows; row++) {
      if (samples.addRow(row)) continue
      await this.#send(this.#encoder, signal)
      if (signal.aborted) return snapshot.rows - row
      samples.addRow(row)
    }
    if (this.#encoder.count > 0) await this.#send(this.#encoder, signal)
    return 0
  }

  /** The known rows whose texts are sent now: those that changed, and those that have had their turn since the last time. */
  #toldNow({ snapshot, known, knownOf }: Table, atUs: number): ReadonlySet<number> {
    const told = new Set(known.changed.splice(0))
    const turn = Math.floor(atUs / TURN_US)
    const turns = Math.min(TURNS, turn - (this.#turns.get(known) ?? turn))
    this.#turns.set(known, turn)
    for (let row = 0; turns > 0 && row < snapshot.rows; row++) {
      const number = knownOf[row]!
      if ((((turn - number) % TURNS) + TURNS) % TURNS < turns) told.add(number)
    }
    return told
  }
}
