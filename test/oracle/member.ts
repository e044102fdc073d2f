import type { Program } from '../support/programs.ts'
import { sleep } from '../support/servers.ts'
import { type Figures, imbalanceOfSummary } from './ledgers.ts'

/** The time between two readings of a member's metrics. */
const LOOK_MS = 250
/** A process on a busy machine answers late. */
const LOOK_TIMEOUT_MS = 5000
/** The longest time from SIGTERM to exit that the product promises. */
const STOP_MS = 25_000

interface Life {
  readonly program: Program
  /** The last metrics read. A process that was killed gives no later ones. */
  figures: Figures
  /** The closing line of a process that ended normally. */
  summary: Readonly<Record<string, unknown>>
}

export interface MemberOptions {
  /** `server-1` */
  readonly name: string
  readonly adminPort: number
  readonly launch: (life: number) => Program
  /** The message that it logs when it works. */
  readonly atWork: string
}

/** A program of the row, over all its processes. Each ends by a signal; the next has the same settings and folder. */
export class Member {
  readonly name: string
  /** Its behaviour that no fault excuses, in words. */
  readonly problems: string[] = []
  readonly #options: MemberOptions
  readonly #lives: Life[] = []
  readonly #looking: NodeJS.Timeout
  #isRunning = false
  #kills = 0

  constructor(options: MemberOptions) {
    this.name = options.name
    this.#options = options
    this.#looking = setInterval(() => void this.look(), LOOK_MS)
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  get pid(): number {
    return this.#life.program.pid
  }

  /** How often it was ended with `kill -9`. */
  get kills(): number {
    return this.#kills
  }

  get lives(): number {
    return this.#lives.length
  }

  /** Starts the next process. @param wait false: returns before it works */
  async start(wait = true): Promise<void> {
    const program = this.#options.launch(this.#lives.length)
    const life: Life = { program, figures: new Map(), summary: {} }
    this.#lives.push(life)
    this.#isRunning = true
    program.ended.then(() => {
      if (this.#life === life) this.#isRunning = false
    })
    if (wait) await program.logged(this.#options.atWork, 30_000)
  }

  /** `kill -9`, right after a last reading of its metrics. */
  async kill(): Promise<void> {
    await this.look()
    this.#kills++
    this.signal('SIGKILL')
    await this.#life.program.ended
  }

  /** SIGTERM: it must end by itself, within the promised time, with exit code 0; with 1 if and only if it says that the stop dropped samples. */
  async stop(): Promise<void> {
    const { program } = this.#life
    const startedMs = Date.now()
    const forced = setTimeout(() => program.signal('SIGKILL'), STOP_MS + 5000)
    const code = await program.stop()
    clearTimeout(forced)
    const seconds = (Date.now() - startedMs) / 1000
    const hasDropped = program.log().some(({ msg }) => String(msg).startsWith('the stop dropped samples'))
    if (code !== (hasDropped ? 1 : 0))
      this.problems.push(`${this.name} ended with ${code} after SIGTERM: ${lastLines(program)}`)
    else if (seconds * 1000 > STOP_MS) this.problems.push(`${this.name} took ${seconds.toFixed(0)} s to stop`)
    const summary = program.log().find(({ msg }) => msg === 'summary')
    if (summary === undefined) return
    this.#life.summary = summary
    this.problems.push(...imbalanceOfSummary(this.name, summary))
  }

  signal(name: NodeJS.Signals): void {
    this.#life.program.signal(name)
  }

  /** Reads the metrics of the running process; undefined when it does not answer. */
  async look(): Promise<Figures | undefined> {
    const life = this.#lives.at(-1)
    if (life === undefined || !this.#isRunning) return undefined
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#options.adminPort}/metrics`, {
        signal: AbortSignal.timeout(LOOK_TIMEOUT_MS),
      })
      life.figures = readFigures(await answer.text())
      return life.figures
    } catch {
      return undefined
    }
  }

  /**
   * A counter summed over all processes. @param column its name in the closing line, which is newer than the last
   * reading
   */
  total(metric: string, column = ''): number {
    return this.#lives.reduce((sum, { figures, summary }) => {
      const closing = summary[column]
      return sum + (typeof closing === 'number' ? closing : (figures.get(metric) ?? 0))
    }, 0)
  }

  /** The reasons why it dropped samples, from its metrics and its log. The metrics lack what it drops at its stop. */
  dropReasons(): string[] {
    const counted = /^sentinel_(?:dropped|unsent)_samples_total\{reason="(.*)"\}$/
    const found = this.#lives.flatMap(({ program, figures }) => [
      ...[...figures].map(([name, value]) => (value > 0 ? counted.exec(name)?.[1] : undefined)),
      ...program.log().map(({ msg, reason }) => (/dropped/.test(String(msg)) ? reason : undefined)),
    ])
    return [...new Set(found)].filter((reason) => typeof reason === 'string')
  }

  /** The closing line of the last process. */
  get summary(): Readonly<Record<string, unknown>> {
    return this.#life.summary
  }

  /** The output of each process, and its last metrics. */
  stories(): string[] {
    return this.#lives.map(
      ({ program, figures }) =>
        `${program.stderr()}\n${[...figures].map(([name, value]) => `${name} ${value}`).join('\n')}\n`,
    )
  }

  async close(): Promise<void> {
    clearInterval(this.#looking)
    if (!this.#isRunning) return
    this.signal('SIGCONT')
    this.signal('SIGKILL')
    await this.#life.program.ended
  }

  /** Waits until its metrics meet a condition. */
  async until(condition: (figures: Figures) => boolean, deadlineMs: number): Promise<boolean> {
    for (;;) {
      const figures = await this.look()
      if (figures !== undefined && condition(figures)) return true
      if (Date.now() > deadlineMs) return false
      await sleep(100)
    }
  }

  get #life(): Life {
    const life = this.#lives.at(-1)
    if (life === undefined) throw new Error(`${this.name} was never started`)
    return life
  }
}

function readFigures(text: string): Figures {
  const figures = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line.startsWith('#') || line === '') continue
    const space = line.lastIndexOf(' ')
    const value = Number(line.slice(space + 1))
    const [name, ...labels] = line.slice(0, space).split('{')
    figures.set(name!, (figures.get(name!) ?? 0) + value)
    if (labels.length > 0) figures.set(line.slice(0, space), value)
  }
  return figures
}

function lastLines(program: Program): string {
  return program.stderr().trimEnd().split('\n').slice(-3).join(' | ').slice(-600)
}
