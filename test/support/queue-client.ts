import { Agent, get, type IncomingMessage, request } from 'node:http'
import { eventsIn, type Received } from './queue-scene.ts'

export interface QueueAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A stream of `/consume` that is open. */
export interface ConsumeStream {
  readonly received: Received[]
  readonly head: IncomingMessage
  /** All that came, comments too. */
  readonly text: () => string
  readonly closed: () => boolean
  /** Reads nothing more until `resume`. */
  pause(): void
  resume(): void
  leave(): void
}

/** A client of a queue gateway, with connections that stay open. */
export class QueueClient {
  readonly #base: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })

  constructor(base: string) {
    this.#base = base
  }

  get(path: string): Promise<QueueAnswer> {
    return this.#send('GET', path)
  }

  post(path: string, body: string | Buffer = '', headers: Record<string, string> = {}): Promise<QueueAnswer> {
    return this.#send('POST', path, body, headers)
  }

  /** @throws Error where the answer is none that a message was taken */
  async produce(query: string, body: string | Buffer): Promise<string> {
    const answer = await this.post(`/produce?${query}`, body)
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
    return (JSON.parse(answer.body) as { id: string }).id
  }

  consume(query: string): Promise<ConsumeStream> {
    return new Promise((resolve, reject) => {
      const asked = get(`${this.#base}/consume?${query}`, (head) => {
        const received: Received[] = []
        let [text, rest, closed] = ['', '', false]
        head.setEncoding('utf8')
        head.on('data', (chunk: string) => {
          text += chunk
          const end = (rest + chunk).lastIndexOf('\n\n') + 2
          if (end < 2) {
            rest += chunk
            return
          }
          const whole = (rest + chunk).slice(0, end)
          rest = (rest + chunk).slice(end)
          received.push(...eventsIn(whole))
        })
        head.on('close', () => {
          closed = true
        })
        head.on('error', () => {})
        resolve({
          ...{ received, head, text: () => text, closed: () => closed },
          pause: () => void head.pause(),
          resume: () => void head.resume(),
          leave: () => void asked.destroy(),
        })
      })
      asked.on('error', reject)
    })
  }

  #send(
    method: string,
    path: string,
    body: string | Buffer = '',
    headers: Record<string, string> = {},
  ): Promise<QueueAnswer> {
    return new Promise((resolve, reject) => {
      const asked = request(`${this.#base}${path}`, { method, agent: this.#agent, headers }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() }),
        )
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }
}
