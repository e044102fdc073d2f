import { connect as connectTcp, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type * as Tls from 'node:tls'
import { AbstractConnector, type StandaloneConnectionOptions } from 'ioredis'
import type { BrokerStats } from '../broker.ts'
import { Gathering } from './gathering.ts'
import { readPast } from './read-past.ts'

/** Reads a connection before the client does, and passes on the replies that it does not take. */
export interface ReplyReader {
  /** Messages since the start. Where a reader counts them, they may gather in the socket for a moment (`Gathering`). */
  readonly messages?: number
  /**
   * @param chunk the next bytes of the connection, valid only during the call
   * @throws Error when the connection cannot be read any further
   */
  push(chunk: Buffer): void
}

/** @param passOn gives the client a reply, valid only during the call */
export type NewReplyReader = (passOn: (reply: Buffer) => void) => ReplyReader

/** How connections are read. */
export interface Reading {
  readonly newReader: NewReplyReader
  /** As in `Gathering`. */
  readonly gatherMs: number
  /** Where reads are counted. */
  readonly stats: Pick<BrokerStats, 'reads'>
}

/** The most bytes that libuv reads at once. */
const READ_BYTES = 64 * 1024

/**
 * After so much time of reading without a break, everything else has its turn: timers, the store, other connections.
 * libuv would read 32 buffers first, for which a server that has little of the processor needs half a second.
 */
const BURST_MS = 20
const BETWEEN_READS_MS = 1

/**
 * Connects as the client's own connector does. But each socket reads into one buffer again and again, and a reader
 * sees the bytes before the client. Without it, Node allocates 64 KiB for each read, and makes a Buffer and an event of
 * it.
 */
export function connectorFor(reading: Reading): new (options: unknown) => AbstractConnector {
  return class extends AbstractConnector {
    readonly #options: StandaloneConnectionOptions

    constructor(options: unknown) {
      const standalone = options as StandaloneConnectionOptions
      super(standalone.disconnectTimeout!)
      this.#options = standalone
    }

    async connect(): Promise<Socket> {
      this.connecting = true
      // The client's own connector waits a turn too: a `disconnect` of the same turn finds no socket yet.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      if (!this.connecting) throw new Error('Connection is closed.')
      this.stream = open(this.#options, reading)
      this.stream.once('error', (error: Error) => {
        this.firstError = error
      })
      return this.stream
    }
  }
}

/** An `import` of it would load OpenSSL's part of Node.js for `redis://` too: 2 MB. */
const connectTls = (): typeof Tls.connect => process.getBuiltinModule('node:tls').connect

function open({ host, port, family, tls }: StandaloneConnectionOptions, reading: Reading): Socket {
  const { newReader, gatherMs, stats } = reading
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  const gathering = new Gathering(gatherMs, performance.now())
  let burstBeganMs = 0
  let readAtMs = 0
  let isPaused = false
  /** One for all waits. */
  let wait: NodeJS.Timeout | undefined
  const resume = (): void => {
    isPaused = false
    socket.resume()
  }
  /** While messages gather again and again, the socket stays paused. */
  const endWait = (): void => {
    isPaused = false
    const length = tls === undefined ? readPast(socket, buffer) : 0
    if (length === 0 || take(length)) socket.resume()
  }
  /** @returns whether the socket may go on reading */
  const take = (length: number): boolean => {
    // Over TLS each record comes by itself: those of one read, and more of them after a pause has begun.
    if (!isPaused) stats.reads++
    const nowMs = performance.now()
    if (nowMs - readAtMs > BETWEEN_READS_MS) burstBeganMs = nowMs
    const { messages } = reader
    try {
      reader.push(buffer.subarray(0, length))
    } catch (error) {
      socket.destroy(error as Error)
      return false
    }
    readAtMs = performance.now()
    const gathers = messages !== undefined && gathering.waits(reader.messages! - messages, length, readAtMs)
    const isLongBurst = readAtMs - burstBeganMs >= BURST_MS
    if (isPaused || !(gathers || isLongBurst)) return !isPaused
    isPaused = true
    burstBeganMs = readAtMs
    // What resumes it also holds the process: a socket that is not read does not.
    if (gathers) wait = wait?.refresh() ?? setTimeout(endWait, gatherMs)
    else setImmediate(resume)
    return false
  }
  const place = { host, port: port!, family, onread: { buffer, callback: take } }
  const socket = tls === undefined ? connectTcp(place) : connectTls()({ ...place, ...tls })
  // The client's parser keeps the buffers that it gets, so it gets a copy.
  const reader = newReader((reply) => socket.emit('data', Buffer.from(reply)))
  return socket
}
