import { Agent, request } from 'node:http'
import { sleep } from '../support/servers.ts'

/** Answers after which the same is posted again. Anything else but a 2xx is a fault: a sender would give it up. */
const AGAIN: ReadonlySet<number> = new Set([429, 503, 507])
const AGAIN_MS = 50
const TIMEOUT_MS = 10_000

export interface Post {
  readonly path: string
  /** Its media type and its compression, where the path takes others too. */
  readonly type?: string
  readonly encoding?: string
  readonly body: string | Buffer
}

export interface PosterOptions {
  /** Asked at each post: programs keep their ports. */
  readonly origin: string
  readonly writers: number
  /** Numbers in one post. */
  readonly ids: number
  readonly pauseMs: number
  readonly postOf: (ids: readonly number[]) => Post
}

/** What keeps a number, as the answer says, and when that came. */
export interface Taken {
  readonly atMs: number
  readonly by: string
}

/**
 * Posts numbers, 0, 1, 2 …, as senders do that lose nothing: each post again until it is answered with 2xx, and then
 * never again. From then on all of its numbers are owed.
 */
export class Poster {
  readonly taken = new Map<number, Taken>()
  /** Answers after which it posted the same again. */
  refusals = 0
  /** Answers that no sender should get. */
  readonly problems = new Set<string>()
  readonly #options: PosterOptions
  readonly #agent = new Agent({ keepAlive: true })
  readonly #done: Promise<unknown>
  #issued = 0
  #isHeld = false
  #isClosed = false

  constructor(options: PosterOptions) {
    this.#options = options
    this.#done = Promise.all(Array.from({ length: options.writers }, () => this.#write()))
  }

  get issued(): number {
    return this.#issued
  }

  /** Posts nothing new. Resolves once all has been answered with 2xx. */
  async hold(): Promise<void> {
    this.#isHeld = true
    await this.#done
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.hold()
    this.#agent.destroy()
  }

  async #write(): Promise<void> {
    const { ids: count, pauseMs, postOf } = this.#options
    while (!this.#isHeld) {
      const ids = Array.from({ length: count }, () => this.#issued++)
      const post = postOf(ids)
      let by = await this.#post(post)
      for (; by === undefined && !this.#isClosed; by = await this.#post(post)) await sleep(AGAIN_MS)
      const atMs = Date.now()
      if (by !== undefined) for (const id of ids) this.taken.set(id, { atMs, by })
      await sleep(pauseMs)
    }
  }

  /** @returns what keeps it; undefined when that is nothing for certain */
  #post({ path, type, encoding, body }: Post): Promise<string | undefined> {
    const headers = {
      ...(type === undefined ? {} : { 'content-type': type }),
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    }
    return new Promise((resolve) => {
      const fails = (): void => resolve(undefined)
      const asked = request(
        `${this.#options.origin}${path}`,
        { method: 'POST', headers, agent: this.#agent, timeout: TIMEOUT_MS },
        (answer) => {
          const { statusCode: status = 0 } = answer
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (chunk: string) => {
            text += chunk
          })
          answer.once('error', fails)
          answer.once('close', () => {
            if (status >= 200 && status < 300) return resolve(String(answer.headers['sentinel-durable']))
            if (AGAIN.has(status)) this.refusals++
            else this.problems.add(`a post is answered ${status}: ${text.slice(0, 200)}`)
            fails()
          })
        },
      )
      asked.once('error', fails)
      asked.once('timeout', () => asked.destroy(new Error('no answer')))
      asked.end(body)
    })
  }
}
