import type { GpuFigures, GpuList, GpuTexts } from '../shared/api.ts'
import { type Gpu, keyOf } from './gpu.ts'

interface Row {
  readonly isStale: boolean
  readonly figures: Readonly<Record<string, number | null>>
}

const NOTHING_YET: Row = { isStale: false, figures: {} }
const STATE = 'state'
const NUMBER = 'n'

/** The GPUs of a live stream: which there are, and their figures of now. */
export class GpusTable {
  readonly #texts = new Map<number, GpuTexts>()
  readonly #rows = new Map<number, Row>()
  #gpus: readonly Gpu[] | undefined = []

  /** In the order of the API: by host, then by index. */
  get gpus(): readonly Gpu[] {
    this.#gpus ??= Array.from(this.#texts, ([n, texts]) => ({
      ...texts,
      ...{ key: keyOf(texts), host: texts.hostname ?? '' },
      ...(this.#rows.get(n) ?? NOTHING_YET),
    }))
    return this.#gpus
  }

  takeList({ whole, gpus }: GpuList): void {
    if (whole) this.#texts.clear()
    for (const texts of gpus) this.#texts.set(texts.n, texts)
    for (const n of this.#rows.keys()) if (!this.#texts.has(n)) this.#rows.delete(n)
    this.#gpus = undefined
  }

  takeFigures({ columns, rows }: GpuFigures): void {
    const number = columns.indexOf(NUMBER)
    const state = columns.indexOf(STATE)
    for (const row of rows) {
      const figures = Object.fromEntries(columns.map((column, place) => [column, row[place] ?? null]))
      this.#rows.set(row[number]!, { isStale: row[state] === 1, figures })
    }
    this.#gpus = undefined
  }
}
