import type { Refusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import type { Batch, StoreWriter, WriteResult } from '../../internal/store/store.ts'

export const STORED: WriteResult = { next: 'ack', rejected: [] }
export const AWAY = { next: 'retry', problem: 'connection refused' } as const satisfies WriteResult

/** A batch that keeps the first value of each sample. */
export interface ScriptedBatch extends Batch {
  readonly values: number[]
}

export interface Asked {
  readonly values: readonly number[]
  answer(result: WriteResult): void
}

export const BYTES_A_SAMPLE = 100

/**
 * A store to whose writes the test gives the answers, one at a time and in any order. A batch refuses a value below 0,
 * and is too small for a value that is not a finite number.
 */
export class ScriptedStore implements StoreWriter {
  limits = { maxSamples: 3, maxBytes: 1000, inFlight: 2, replays: 0 }
  /** Writes begun, the oldest first. */
  readonly asked: Asked[] = []
  /** The values that the store reported as stored, once for each report. */
  readonly stored: number[] = []
  readonly #batches = new Set<ScriptedBatch>()

  /** Batches opened and not released. */
  get openBatches(): number {
    return this.#batches.size
  }

  /** The values in them. */
  get held(): number[] {
    return Array.from(this.#batches, ({ values }) => values).flat()
  }

  openBatch(): ScriptedBatch {
    return this.#open([])
  }

  batchOf(record: Buffer): ScriptedBatch {
    return this.#open(JSON.parse(record.toString()))
  }

  #open(values: number[]): ScriptedBatch {
    const batch: ScriptedBatch = {
      values,
      get samples() {
        return values.length
      },
      get bytes() {
        return values.length * BYTES_A_SAMPLE
      },
      add: ({ values: [value] }: Sample): 'full' | Refusal | undefined => {
        if (typeof value !== 'number' || value < 0) return { reason: 'no_fields', detail: 'a value below 0' }
        if (values.length === this.limits.maxSamples || !Number.isFinite(value)) return 'full'
        values.push(value)
        return undefined
      },
      toRecord: () => Buffer.from(JSON.stringify(values)),
      release: () => {
        this.#batches.delete(batch)
      },
    }
    this.#batches.add(batch)
    return batch
  }

  write(batch: Batch, _signal: AbortSignal): Promise<WriteResult> {
    const values = [...(batch as ScriptedBatch).values]
    return new Promise((resolve) => {
      this.asked.push({
        values,
        answer: (result) => {
          if (result.next === 'ack') this.#keep(values, result)
          resolve(result)
        },
      })
    })
  }

  check = async (): Promise<string> => ''
  close = async (): Promise<void> => {}

  #keep(values: readonly number[], { rejected }: Extract<WriteResult, { next: 'ack' }>): void {
    const refused = new Set(rejected.map(({ index }) => index))
    this.stored.push(...values.filter((_value, index) => !refused.has(index)))
  }
}
