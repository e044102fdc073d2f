import { FrameRowEncoder } from '../../codec/frame-rows.ts'
import type { Table } from '../../fabric/table-reader.ts'
import { TableSamples } from '../../fabric/table-samples.ts'

/** Sends what the encoder has gathered, and waits until there is room for more, or for the signal. */
export type SendFrame = (encoder: FrameRowEncoder, signal: AbortSignal) => Promise<void>

/** Texts that tell of a row are sent when they change, and so often anyway: the window of a query may begin later. */
const INFO_INTERVAL_MS = 600_000

/** Sends the rows of tables as samples, frame by frame. */
export class SampleSender {
  readonly #encoder = new FrameRowEncoder()
  readonly #send: SendFrame
  /** In how many cycles the texts of all rows are sent again, a part of them in each. */
  readonly #infoCycles: number
  #cycle = 0

  constructor(intervalMs: number, send: SendFrame) {
    this.#send = send
    this.#infoCycles = Math.max(1, Math.round(INFO_INTERVAL_MS / intervalMs))
  }

  /**
   * @param atUs when the table came, µs since the epoch
   * @param signal when it fires, the rest is left out
   * @returns rows that were left out
   */
  async sendAll(table: Table, atUs: number, signal: AbortSignal): Promise<number> {
    const { snapshot, known, columns } = table
    const samples = new TableSamples(table, this.#encoder)
    const changed = known.changed.splice(0)
    if (columns.info.length > 0) {
      for (const number of [...changed, ...this.#ofTurn(table)])
        if (!samples.addInfo(number, atUs)) await this.#sendThen(() => samples.addInfo(number, atUs), signal)
    }
    for (let row = 0; row < snapshot.rows; row++) {
      if (samples.addRow(row)) continue
      if (signal.aborted) return snapshot.rows - row
      await this.#sendThen(() => samples.addRow(row), signal)
    }
    if (this.#encoder.count > 0) await this.#send(this.#encoder, signal)
    return 0
  }

  /** The known rows whose texts are sent again in this cycle. */
  *#ofTurn({ snapshot, knownOf }: Table): Generator<number> {
    const turn = this.#cycle++ % this.#infoCycles
    for (let row = 0; row < snapshot.rows; row++) {
      const number = knownOf[row]!
      if (number % this.#infoCycles === turn) yield number
    }
  }

  async #sendThen(add: () => boolean, signal: AbortSignal): Promise<void> {
    await this.#send(this.#encoder, signal)
    add()
  }
}
