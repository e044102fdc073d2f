import { Agent, type IncomingMessage, request } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import { Backoff } from '../../time/backoff.ts'
import { type Broker, BrokerError, type BrokerHealth, type LiveChannel, newStats, type Snapshots } from '../broker.ts'

export interface HttpBrokerOptions {
  /** Of a gateway of the queue: `http://127.0.0.1:8081`. */
  readonly url: string
  readonly topic: string
  /** For `https://`: authority and certificate, where they are not those of Node.js. They may change. */
  readonly tls?: ConnectionOptions | undefined
  /** By which the gateway knows our roles. Asked at each message. */
  readonly serviceToken?: () => string | undefined
  /** How long an answer may take, ms. */
  readonly timeoutMs?: number
  /** The first pause between two tries, ms. */
  readonly pauseMs?: number
}

const TRIES = 3
const FIRST_PAUSE_MS = 250
const LARGEST_PAUSE_MS = 2000
const TIMEOUT_MS = 10_000
/** Of an answer: it has an id, or says what is wrong. */
const MAX_ANSWER_CHARS = 4096

interface Answer {
  readonly status: number
  readonly text: string
}

/**
 * Publishes through a gateway of the queue, for an agent that reaches no Redis. A message is posted up to three times,
 * with growing pauses; then it stays with its publisher. It can do nothing else of what a broker can.
 */
export class HttpBroker implements Broker {
  /** The gateway adds entries to the streams. */
  readonly kind = 'streams'
  readonly stats = newStats()
  readonly live: LiveChannel = { isHeard: false, publish() {}, subscribe: publishesOnly, recall: publishesOnly }
  readonly snapshots: Snapshots = {
    put: publishesOnly,
    announce: publishesOnly,
    newest: publishesOnly,
    read: publishesOnly,
    subscribe: publishesOnly,
  }
  readonly #options: HttpBrokerOptions
  readonly #place: URL
  readonly #agent: Agent
  readonly #closing = new AbortController()
  #problem = ''

  constructor(options: HttpBrokerOptions) {
    this.#options = options
    this.#place = new URL(options.url)
    // One connection, so that messages arrive in the order in which they are published.
    const kept = { keepAlive: true, maxSockets: 1 }
    this.#agent = this.#place.protocol === 'https:' ? new SecureAgent(kept) : new Agent(kept)
  }

  async publish(key: string, payload: Buffer): Promise<number> {
    const { topic, pauseMs = FIRST_PAUSE_MS } = this.#options
    const pauses = new Backoff({ firstMs: pauseMs, largestMs: LARGEST_PAUSE_MS })
    const query = new URLSearchParams({ topic, key })
    let problem = ''
    let mayHaveArrived = false
    for (let tries = 0; tries < TRIES; tries++) {
      if (tries > 0) await sleep(pauses.nextMs(), undefined, { signal: this.#closing.signal }).catch(() => {})
      if (this.#closing.signal.aborted) break
      try {
        const { status, text } = await this.#post(`produce?${query}`, payload)
        if (status === 200) {
          this.#problem = ''
          return 1
        }
        problem = `the queue at ${this.#place.host} answers ${status}: ${detailIn(text)}`
        if (status === 413) throw new BrokerError('refused', problem)
        // The same request gets the same answer, until an operator acts.
        if (status < 500 && status !== 429) break
      } catch (error) {
        if (error instanceof BrokerError) throw error
        const { code = '', message } = error as NodeJS.ErrnoException
        mayHaveArrived ||= code !== 'ECONNREFUSED'
        problem = `the queue at ${this.#place.host} does not answer: ${code || message}: check broker.httpUrl`
      }
    }
    this.#problem = problem || 'closed'
    throw new BrokerError(mayHaveArrived ? 'unknown' : 'not_sent', this.#problem)
  }

  subscribe(): Promise<never> {
    return publishesOnly()
  }

  health(): BrokerHealth {
    return { connected: this.#problem === '', problem: this.#problem }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#agent.destroy()
  }

  #post(path: string, payload: Buffer): Promise<Answer> {
    const { timeoutMs = TIMEOUT_MS, tls = {} } = this.#options
    const base = this.#place.href.replace(/\/?$/, '/')
    const send = this.#place.protocol === 'https:' ? secureRequest : request
    const token = this.#options.serviceToken?.()
    const headers = {
      ...{ 'content-type': 'application/octet-stream', 'content-length': payload.length },
      ...(token === undefined ? {} : { 'x-service-token': token }),
    }
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)])
      const asked = send(`${base}${path}`, { ...tls, method: 'POST', agent: this.#agent, headers, signal }, (answer) =>
        read(answer).then(resolve, reject),
      )
      asked.on('error', reject)
      asked.end(payload)
    })
  }
}

async function read(answer: IncomingMessage): Promise<Answer> {
  let text = ''
  answer.setEncoding('utf8')
  for await (const chunk of answer) if (text.length < MAX_ANSWER_CHARS) text += chunk as string
  return { status: answer.statusCode ?? 0, text }
}

/** What a problem document says. */
function detailIn(text: string): string {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    if (typeof detail === 'string') return detail
  } catch {
    // Something else answers there.
  }
  return text.slice(0, 100)
}

async function publishesOnly(): Promise<never> {
  throw new BrokerError('refused', 'a gateway of the queue takes messages, and does nothing else for its publishers')
}
