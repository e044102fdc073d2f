import type { Progress as LoadProgress } from '../../bench/load/load.ts'
import { countText } from '../../internal/text/count.ts'
import { latencyText } from '../../internal/text/duration.ts'

const ERASE_LINE = '\r\x1b[K'
/** For output that is not a terminal: six lines per minute. */
const LINE_INTERVAL_MS = 10_000

/** Shows the progress: one changing line at a terminal, elsewhere a line every ten seconds. */
export class Progress {
  readonly #out: NodeJS.WriteStream
  #shownAtMs = -Infinity

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  say(what: string): void {
    this.clear()
    this.#out.write(`${what}\n`)
  }

  load(progress: LoadProgress): void {
    if (this.#out.isTTY) {
      // A line that wraps could not be erased.
      this.#out.write(`${ERASE_LINE}${inWords(progress).slice(0, (this.#out.columns || 80) - 1)}`)
      return
    }
    const nowMs = performance.now()
    if (nowMs - this.#shownAtMs < LINE_INTERVAL_MS) return
    this.#shownAtMs = nowMs
    this.#out.write(`${inWords(progress)}\n`)
  }

  /** Erases the progress line, before another line is written. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write(ERASE_LINE)
  }
}

/** Leaves out what is unknown, because a 0 would look like a result. */
function inWords({ step, atMs, ofMs, perSecond, held, e2eP99Us }: LoadProgress): string {
  const seconds = ofMs > 0 ? `${Math.round(atMs / 1000)}/${Math.round(ofMs / 1000)} s` : `${Math.round(atMs / 1000)} s`
  const known = [
    perSecond === undefined ? '' : `${countText(perSecond)} messages/s`,
    held === undefined ? '' : `held ${countText(held)}`,
    e2eP99Us === undefined ? '' : `e2e p99 ${latencyText(e2eP99Us)}`,
  ].filter((part) => part !== '')
  return `  ${step} ${seconds}${known.length === 0 ? '' : `: ${known.join(', ')}`}`
}
