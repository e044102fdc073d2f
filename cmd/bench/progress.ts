import type { Progress as LoadProgress } from '../../internal/bench/load/load.ts'

const ERASE_LINE = '\r\x1b[K'
/** Of lines that stay: a log of a minute is six of them. */
const LINE_INTERVAL_MS = 10_000

/** What people see while they wait: at a terminal one line that changes, elsewhere a line every ten seconds. */
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
      this.#out.write(`${ERASE_LINE}${inWords(progress)}`)
      return
    }
    const nowMs = performance.now()
    if (nowMs - this.#shownAtMs < LINE_INTERVAL_MS) return
    this.#shownAtMs = nowMs
    this.#out.write(`${inWords(progress)}\n`)
  }

  /** Makes room for a line of somebody else. */
  clear(): void {
    if (this.#out.isTTY) this.#out.write(ERASE_LINE)
  }
}

function inWords({ step, atMs, ofMs, perSecond, held, e2eP99Us }: LoadProgress): string {
  const seconds = ofMs > 0 ? `${Math.round(atMs / 1000)}/${Math.round(ofMs / 1000)} s` : `${Math.round(atMs / 1000)} s`
  const rate = `${Math.round(perSecond).toLocaleString('en')} messages/s`
  return `  ${step} ${seconds}: ${rate}, held ${held.toLocaleString('en')}, e2e p99 ${(e2eP99Us / 1000).toFixed(1)} ms`
}
