import type { GpuFigures, GpuList, GpuTexts } from '../shared/api.ts'
import { type Gpu, keyOf } from './gpu.ts'

interface Row {
  readonly isStale: boolean
  readonly seenAtMs: number | null
  readonly figures: Readonly<Record<string, number | null>>
}

const NOTHING_YET: Row = { isStale: false, seenAtMs: null, figures: {} }
const STATE = 'state'
const NUMBER = 'n'
const SEEN = 'seen'

/** The GPUs of a live stream: which there are, and their figures of now. */
export class GpusTable {
  readonly #texts = new Map<number, GpuTexts>()
  readonly #rows = new Map<number, Row>()
  #gpus: readonly Gpu[] | undefined = []
  /** When the newest figures of all arrived, ms by the clock of the server; 0 before the first. */
  newestAtMs = 0

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

  takeFigures({ newest, columns, rows }: GpuFigures): void {
    this.newestAtMs = newest / 1000
    if (rows.length === 0) return
    const number = columns.indexOf(NUMBER)
    const [state, seen] = [columns.indexOf(STATE), columns.indexOf(SEEN)]
    for (const row of rows) {
      const figures = Object.fromEntries(columns.map((column, place) => [column, row[place] ?? null]))
      const seenAtUs = row[seen] ?? null
      this.#rows.set(row[number]!, {
        ...{ isStale: row[state] === 1, seenAtMs: seenAtUs === null ? null : seenAtUs / 1000, figures },
      })
    }
    this.#gpus = undefined
  }
}
