import type { Mark } from '../charts/marks.ts'
import { type ApiEvent, getEvents } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import type { TimeWindow } from '../shared/period.ts'
import { type Gpu, resourceOf } from './gpu.ts'

const COLOURS: Readonly<Record<ApiEvent['kind'], string>> = {
  xid: 'critical',
  link_down: 'warning-fill',
  host_restart: 'text-soft',
  agent_restart: 'text-faint',
  clock_step: 'text-faint',
}
/** How often what happened is asked for again while time goes on, ms. */
const AGAIN_MS = 10_000
/** A long range is asked for again when it has moved by this part. */
const PART_OF_RANGE = 300

/** What happened to a GPU, its host and its port in the time that is shown. */
export class GpuEvents {
  readonly #changed: () => void
  #marks: readonly Mark[] = []
  #failure = ''
  #abort = new AbortController()
  #askedAtMs = -Infinity

  constructor(changed: () => void) {
    this.#changed = changed
  }

  /** Oldest first. */
  get marks(): readonly Mark[] {
    return this.#marks
  }

  /** Why nothing can be told; '' where it can. */
  get failure(): string {
    return this.#failure
  }

  /** Asks at once: something else is shown. */
  show(gpu: Gpu, port: string | null, window: TimeWindow): void {
    this.#abort.abort()
    this.#abort = new AbortController()
    this.#askedAtMs = performance.now()
    void this.#ask(gpu, port, window, this.#abort.signal)
  }

  /** Asks again where the time that is shown has gone on. */
  follow(gpu: Gpu, port: string | null, window: TimeWindow): void {
    const pauseMs = Math.max(AGAIN_MS, (window.toMs - window.fromMs) / PART_OF_RANGE)
    if (performance.now() - this.#askedAtMs >= pauseMs) this.show(gpu, port, window)
  }

  clear(): void {
    this.#abort.abort()
    this.#marks = []
    this.#failure = ''
  }

  async #ask(gpu: Gpu, port: string | null, { fromMs, toMs }: TimeWindow, signal: AbortSignal): Promise<void> {
    const { id } = resourceOf(gpu)
    const question = {
      ...(gpu.host === '' ? { gpu: id } : { host: gpu.host }),
      ...(port === null ? {} : { switch: port }),
    }
    try {
      const events = await getEvents(question, { startMs: fromMs, endMs: toMs + 1000 }, signal)
      if (signal.aborted) return
      this.#marks = marksOf(events, id)
      this.#failure = ''
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      this.#failure = error.status === 0 ? 'the API does not answer' : error.detail
    }
    this.#changed()
  }
}

/** What happened to other GPUs of the host is told on theirs. */
export function marksOf(events: readonly ApiEvent[], id: string): Mark[] {
  return events
    .filter(({ gpu }) => gpu === null || gpu === id)
    .map(({ at, kind, text }) => ({ atMs: at / 1000, text, colour: COLOURS[kind] }))
}
