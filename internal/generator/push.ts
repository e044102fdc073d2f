import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout } from 'node:timers/promises'
import type { LogThrottle } from '../observe/log-throttle.ts'
import { errorText } from '../text/error-text.ts'
import { Backoff } from '../time/backoff.ts'
import type { Snapshot } from './snapshot.ts'

const http = process.getBuiltinModule('node:http')
const https = process.getBuiltinModule('node:https')

export interface PushOptions {
  /** The address of an intake. */
  readonly url: URL
  /** By which the intake knows our roles. Asked at each snapshot. */
  readonly serviceToken?: () => string | undefined
  readonly throttle: LogThrottle
  /** The first and the longest pause after a failure, ms. */
  readonly pauses?: { readonly firstMs: number; readonly largestMs: number }
}

/** The intake has it, for good. */
const ACCEPTED = 202
const TIMEOUT_MS = 60_000
const PAUSES = { firstMs: 1_000, largestMs: 60_000 }
/** What is read of an answer, for the log. */
const MOST_ANSWER = 300

/** Sends each snapshot to an intake. While that takes none, the newest waits, and replaces the one before. */
export class Push {
  /** What became of the snapshots, since the start. */
  readonly stats = { accepted: 0, refused: 0, unanswered: 0, replaced: 0 }

  readonly #options: PushOptions
  readonly #place: string
  readonly #backoff: Backoff
  readonly #closing = new AbortController()
  #waiting: Snapshot | undefined
  #running: Promise<void> | undefined
  #problem = ''

  constructor(options: PushOptions) {
    this.#options = options
    // Without user and password.
    this.#place = `${options.url.origin}${options.url.pathname}`
    this.#backoff = new Backoff(options.pauses ?? PAUSES)
  }

  /** Why the last try failed; '' when it did not. */
  get problem(): string {
    return this.#problem
  }

  offer(snapshot: Snapshot): void {
    if (this.#closing.signal.aborted) return
    if (this.#waiting !== undefined) this.stats.replaced++
    this.#waiting = snapshot
    this.#running ??= this.#sendAll().finally(() => {
      this.#running = undefined
    })
  }

  /** Gives up what is under way: a snapshot is not worth a wait. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#closing
    while (this.#waiting !== undefined && !signal.aborted) {
      const snapshot = this.#waiting
      this.#waiting = undefined
      this.#problem = await this.#send(snapshot)
      if (this.#problem === '') {
        this.#backoff.reset()
        continue
      }
      if (signal.aborted) return
      this.#options.throttle.warn('push', { number: snapshot.number }, this.#problem)
      if (this.#waiting === undefined) this.#waiting = snapshot
      else this.stats.replaced++
      await setTimeout(this.#backoff.nextMs(), undefined, { signal }).catch(() => {})
    }
  }

  /** @returns the problem; '' when the intake has taken it */
  async #send(snapshot: Snapshot): Promise<string> {
    try {
      const { status, text } = await post(
        this.#options,
        snapshot,
        AbortSignal.any([this.#closing.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      )
      if (status === ACCEPTED) {
        this.stats.accepted++
        return ''
      }
      this.stats.refused++
      return `the intake at ${this.#place} answers ${status} to a snapshot, and not ${ACCEPTED}: ${text}`
    } catch (error) {
      this.stats.unanswered++
      return `the intake at ${this.#place} does not answer: ${errorText(error)}`
    }
  }
}

/** With the length of the body, so that the intake can tell a whole one. */
function post(
  { url: { href }, serviceToken }: PushOptions,
  { body }: Snapshot,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { request } = href.startsWith('https:') ? https : http
    const token = serviceToken?.()
    const headers = {
      ...{ 'content-type': 'text/csv; charset=utf-8', 'content-length': body.bytes },
      ...(token === undefined ? {} : { 'x-service-token': token }),
    }
    const outgoing = request(href, { method: 'POST', headers, signal }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        if (text.length < MOST_ANSWER) text += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: text.slice(0, MOST_ANSWER).trim() }))
    })
    outgoing.on('error', reject)
    // An intake may answer before it has all; the request has the error of a body that nobody takes.
    pipeline(Readable.from(body.pieces, { objectMode: false }), outgoing).catch(() => {})
  })
}
