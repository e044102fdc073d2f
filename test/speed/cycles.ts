import { Agent, request } from 'node:http'
import type { Program } from '../support/programs.ts'
import { sleep, until } from '../support/servers.ts'

/** A cycle of an agent that brought rows, as its log line says; times in ms since the epoch. */
export interface Cycle {
  readonly beganAtMs: number
  /** When its generation was announced. */
  readonly announcedAtMs: number
  readonly endedAtMs: number
  readonly rows: number
  readonly fetchMs: number
  readonly parseMs: number
  /** Until Redis has the snapshot and its announcement. */
  readonly swapMs: number
  /** Until the publisher has all samples. */
  readonly publishMs: number
}

interface CycleLine extends Pick<Cycle, 'rows' | 'fetchMs' | 'parseMs' | 'swapMs' | 'publishMs'> {
  readonly time: string | number
}

/** The cycles so far. */
export function cyclesOf(agent: Program): Cycle[] {
  const lines = agent.log().filter(({ msg, rows }) => msg === 'fabric cycle' && Number(rows) > 0)
  return (lines as unknown as CycleLine[]).map(({ time, rows, fetchMs, parseMs, swapMs, publishMs }) => {
    const endedAtMs = new Date(time).getTime()
    const announcedAtMs = endedAtMs - publishMs
    const beganAtMs = announcedAtMs - swapMs - parseMs - fetchMs
    return { beganAtMs, announcedAtMs, endedAtMs, rows, fetchMs, parseMs, swapMs, publishMs }
  })
}

/** Waits until an agent has done so many more cycles. @returns these */
export async function nextCycles(
  agent: Program,
  count: number,
  intervalMs: number,
  signal: AbortSignal,
): Promise<Cycle[]> {
  const before = cyclesOf(agent).length
  const enough = (): boolean => signal.aborted || cyclesOf(agent).length >= before + count
  await until(`${count} cycles are done`, enough, 60_000 + count * intervalMs * 2)
  signal.throwIfAborted()
  return cyclesOf(agent).slice(before, before + count)
}

/** When an API showed another generation. */
export interface Shown {
  readonly atMs: number
}

/** Looks which generation an API shows, so often that nothing is missed, from outside. */
export class ShownWatch {
  readonly shown: Shown[] = []
  readonly #url: URL
  readonly #everyMs: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #tag = ''
  #watching = true
  #done: Promise<void>

  /** @param url of an answer whose tag is that of its generation */
  constructor(url: string, everyMs: number) {
    this.#url = new URL(url)
    this.#everyMs = everyMs
    this.#done = this.#watch()
  }

  async stop(): Promise<void> {
    this.#watching = false
    await this.#done
    this.#agent.destroy()
  }

  /** The moment at which the generation of a cycle was shown. @throws Error where none was */
  shownAtMs({ beganAtMs, fetchMs }: Cycle): number {
    // The API may be faster than Redis' answer to the agent.
    const shown = this.shown.find(({ atMs }) => atMs >= beganAtMs + fetchMs)
    if (shown === undefined) throw new Error(`the cycle of ${new Date(beganAtMs).toISOString()} is not shown`)
    return shown.atMs
  }

  async #watch(): Promise<void> {
    while (this.#watching) {
      const tag = await this.#ask().catch(() => '')
      if (tag !== '' && tag !== this.#tag) {
        this.#tag = tag
        this.shown.push({ atMs: Date.now() })
      }
      await sleep(this.#everyMs)
    }
  }

  #ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request(this.#url, { agent: this.#agent }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.headers.etag ?? ''))
      })
      asked.on('error', reject)
      asked.end()
    })
  }
}
