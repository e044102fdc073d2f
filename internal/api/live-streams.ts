import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../http/app-types.ts'
import { AddressCounts, isLoopback } from '../http/connection-limit.ts'
import { AddressLimitError, type HttpError, OverloadError } from '../http/errors.ts'
import type { Feed, FeedPlace } from '../live/feed.ts'
import type { FeedSink } from '../live/stream-client.ts'

/** How long clients may take to read the last event when the server stops, ms. */
const FAREWELL_MS = 1_000

const SETTING = '--api-max-live-clients-per-address or SENTINEL_API_MAX_LIVE_CLIENTS_PER_ADDRESS'

/** The streams of the feed that are open, whatever they bring, and their limits. */
export class LiveStreams {
  readonly #feed: Feed
  readonly #mostOfOneAddress: () => number
  readonly #open = new Set<ServerResponse>()
  readonly #ofAddress = new AddressCounts()

  /** @param mostOfOneAddress streams. Loopback has no such limit: a proxy on this machine brings all its clients from there */
  constructor(app: App, feed: Feed, mostOfOneAddress: () => number) {
    this.#feed = feed
    this.#mostOfOneAddress = mostOfOneAddress
    // `close` waits for all connections, and these would never end.
    app.addHook('preClose', async () => {
      feed.close()
      await Promise.race([Promise.all([...this.#open].map(closed)), sleep(FAREWELL_MS, undefined, { ref: false })])
      for (const response of this.#open) response.destroy()
    })
  }

  /**
   * Answers with a stream, until the client leaves.
   *
   * @returns the body of the answer to a HEAD
   * @throws HttpError when there is no room
   */
  answer(
    request: FastifyRequest,
    reply: FastifyReply,
    join: (sink: FeedSink) => FeedPlace | undefined,
  ): string | undefined {
    reply.header('content-type', 'text/event-stream; charset=utf-8')
    reply.header('cache-control', 'no-store')
    // Without this nginx collects the events and sends them in lumps.
    reply.header('x-accel-buffering', 'no')
    if (request.method === 'HEAD') return ''
    const refusal = this.#refusalOf(request.ip)
    if (refusal !== undefined) {
      this.#feed.stats.refused++
      throw refusal
    }
    this.#stream(reply, join, this.#ofAddress.enter(request.ip))
    return undefined
  }

  #refusalOf(address: string): HttpError | undefined {
    if (!this.#feed.hasRoom) return new OverloadError('the live feed has no room for another client')
    const streams = this.#ofAddress.of(address)
    if (isLoopback(address) || streams < this.#mostOfOneAddress()) return undefined
    return new AddressLimitError(address, `this address has ${streams} live streams open already`, SETTING)
  }

  #stream(reply: FastifyReply, join: (sink: FeedSink) => FeedPlace | undefined, leaveAddress: () => void): void {
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, reply.getHeaders() as Record<string, string>)
    this.#open.add(response)
    const place = join(response)
    response.on('drain', () => place?.drained())
    response.on('close', () => {
      this.#open.delete(response)
      leaveAddress()
      place?.leave()
    })
  }
}

function closed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', resolve))
}
