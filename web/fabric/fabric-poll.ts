import { type Fabric, type FabricCells, getCells, getFabrics } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import type { Comparison } from '../shared/url-state.ts'

/** How long after an answer the API is asked again, ms. */
const PAUSE_MS = 2000

/** Which cells the page wants. */
export interface CellsQuestion {
  readonly fabric: string
  readonly metric: string
  readonly by: Comparison
}

export interface FabricPollEvents {
  /** @returns the cells that are wanted of what there is; undefined for none */
  fabrics(fabrics: readonly Fabric[]): CellsQuestion | undefined
  cells(cells: FabricCells, question: CellsQuestion): void
  failed(error: ApiError): void
}

/** Asks for the fabrics every two seconds, and for cells when there is a new generation or another question. */
export class FabricPoll {
  readonly #events: FabricPollEvents
  #abort = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** What the page has: the question and the generation. */
  #has = ''

  constructor(events: FabricPollEvents) {
    this.#events = events
  }

  start(): void {
    this.#has = ''
    this.soon()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#abort.abort()
  }

  /** Asks at once, because something else is wanted. */
  soon(): void {
    this.stop()
    this.#abort = new AbortController()
    void this.#ask(this.#abort.signal)
  }

  async #ask(signal: AbortSignal): Promise<void> {
    let pauseMs = PAUSE_MS
    try {
      const fabrics = await getFabrics(signal)
      const question = this.#events.fabrics(fabrics)
      const generation = fabrics.find(({ fabric }) => fabric === question?.fabric)?.generation
      const wanted = JSON.stringify([question, generation])
      if (question !== undefined && wanted !== this.#has) {
        this.#events.cells(await getCells({ ...question }, signal), question)
        this.#has = wanted
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      pauseMs = error.retryMs
      this.#events.failed(error)
    }
    if (!signal.aborted) this.#timer = setTimeout(() => this.#ask(signal), pauseMs)
  }
}
