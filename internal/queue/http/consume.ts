import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../../http/app-types.ts'
import { OverloadError } from '../../http/errors.ts'
import { GREETING, HEARTBEAT } from '../message-event.ts'
import { Parameters } from './parameters.ts'
import type { RouteOptions } from './produce.ts'

export interface ConsumeOptions extends RouteOptions {
  /** Consumers that may be connected. Asked at each. */
  readonly maxConsumers: () => number
}

const HEARTBEAT_MS = 15_000
/** How long consumers may take to read what was sent when the process stops, ms. */
const FAREWELL_MS = 1000

/** `GET /consume?topic=&partition=&group=`: streams of messages, each for as long as its client stays. */
export class ConsumeStreams {
  readonly #options: ConsumeOptions
  readonly #open = new Map<ServerResponse, { readonly isDrained: boolean }>()

  constructor(app: App, options: ConsumeOptions) {
    this.#options = options
    const heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS).unref()
    app.get('/consume', { config: { streams: true } }, (request, reply) => this.#answer(request, reply))
    // `close` waits for all connections, and these would never end.
    app.addHook('preClose', async () => {
      clearInterval(heartbeat)
      const responses = [...this.#open.keys()]
      for (const response of responses) response.end()
      const closed = responses.map((response) => new Promise((resolve) => response.once('close', resolve)))
      await Promise.race([Promise.all(closed), sleep(FAREWELL_MS, undefined, { ref: false })])
      for (const response of this.#open.keys()) response.destroy()
    })
  }

  async #answer(request: FastifyRequest, reply: FastifyReply): Promise<string | undefined> {
    const { gateway, maxPartitions, maxConsumers } = this.#options
    const parameters = new Parameters(request.query, ['topic', 'partition', 'group'])
    const { topic, group } = parameters
    const partition = parameters.partition(maxPartitions)
    reply.header('content-type', 'text/event-stream; charset=utf-8')
    reply.header('cache-control', 'no-store')
    // Without this nginx collects the events and sends them in lumps.
    reply.header('x-accel-buffering', 'no')
    if (request.method === 'HEAD') return ''
    if (this.#open.size >= maxConsumers()) throw new OverloadError('there is no room for another consumer')
    await gateway.topics.ensure(topic, partition)
    reply.hijack()
    const response = reply.raw
    if (response.destroyed) return undefined
    response.writeHead(200, reply.getHeaders() as Record<string, string>)
    response.write(GREETING)
    const place = gateway.join(topic, partition, group, {
      name: request.ip,
      sink: { write: (text) => response.write(text), end: () => void response.end() },
    })
    this.#open.set(response, place)
    response.on('drain', () => place.drained())
    response.on('close', () => {
      this.#open.delete(response)
      place.leave()
    })
    return undefined
  }

  #beat(): void {
    for (const [response, { isDrained }] of this.#open) if (isDrained) response.write(HEARTBEAT)
  }
}
