import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { deferred } from '../../time/deferred.ts'
import {
  describeError,
  exchange,
  type InfluxAnswer,
  StaleConnectionError,
  type Timeouts,
  TransportError,
} from './exchange.ts'
import { httpRequest } from './node-http.ts'

/** An answer of 204 has some 250 bytes; what does not fit comes in parts, and goes to node:http. */
const READ_BYTES = 16 * 1024
const CRLF = '\r\n'
const PLAIN = { status: 204, headers: {}, body: '', cut: false } as const satisfies InfluxAnswer
/** All that could make an answer of 204 more than that. */
const MORE_THAN_PLAIN = /^(?:connection:.*close|x-influxdb-error:)/im

export interface Place {
  readonly hostname: string
  readonly port: string
  readonly maxHeaderSize: number
}

interface Waiting {
  readonly resolve: (answer: InfluxAnswer) => void
  readonly reject: (error: Error) => void
  readonly startedAtMs: number
  readonly signal: AbortSignal
}

/**
 * A connection that POSTs bodies one after the other, each with a head that is made already. It knows one answer, 204
 * with nothing more to say, which is that of almost every write. Any other is read by node:http, as if that had sent
 * the request.
 */
export class KeptConnection {
  readonly #place: Place
  readonly #timeouts: Timeouts
  readonly #socket: Socket
  readonly #onIdle: (connection: KeptConnection) => void
  /** One for all posts: `refresh` starts it anew. Without a post under way it ends unheard. */
  readonly #answerTimer: NodeJS.Timeout
  readonly #connectTimer: NodeJS.Timeout
  readonly #onAbort = (): void => this.#end(new TransportError('ABORTED', 'stopped while it was sent'))
  #signal: AbortSignal | undefined
  #waiting: Waiting | undefined
  #isFirst = true
  /** What node:http reads the answer from, once it is not the plain one. */
  #rest: Duplex | undefined

  /**
   * @param onIdle told each time that it may take the next post
   * @param onClose told once, when it takes no more
   */
  constructor(
    place: Place,
    timeouts: Timeouts,
    onIdle: (connection: KeptConnection) => void,
    onClose: (connection: KeptConnection) => void,
  ) {
    this.#place = place
    this.#timeouts = timeouts
    this.#onIdle = onIdle
    const { connectMs, answerMs } = timeouts
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const onread = {
      buffer,
      callback: (length: number): boolean => {
        this.#read(buffer.subarray(0, length))
        return true
      },
    }
    const { hostname: host, port } = place
    const kept = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 1000 }
    this.#socket = connect({ host, port: Number(port || 80), ...kept, onread })
    const failed = (code: string, message: string): void => this.#end(new TransportError(code, message))
    this.#connectTimer = setTimeout(() => failed('TIMEOUT', `no connection within ${connectMs} ms`), connectMs)
    this.#answerTimer = setTimeout(() => {
      if (this.#waiting !== undefined) failed('TIMEOUT', `no answer within ${answerMs} ms`)
    }, answerMs).unref()
    this.#socket.once('connect', () => clearTimeout(this.#connectTimer))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#broke(error))
    this.#socket.once('end', () => this.#ended())
    this.#socket.once('close', () => {
      this.#ended()
      clearTimeout(this.#connectTimer)
      clearTimeout(this.#answerTimer)
      this.#signal?.removeEventListener('abort', this.#onAbort)
      onClose(this)
    })
  }

  /** Sends a body; only after `onIdle`, or as the first. Rejects with a TransportError when there is no answer. */
  post(head: string, body: Buffer, signal: AbortSignal): Promise<InfluxAnswer> {
    const { promise, resolve, reject } = deferred<InfluxAnswer>()
    this.#waiting = { resolve, reject, startedAtMs: performance.now(), signal }
    this.#listenTo(signal)
    this.#answerTimer.refresh()
    // Both in one system call.
    this.#socket.cork()
    this.#socket.write(`${head}content-length: ${body.length}${CRLF}${CRLF}`, 'latin1')
    this.#socket.write(body)
    this.#socket.uncork()
    return promise
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed
  }

  close(): void {
    this.#socket.destroy()
  }

  /** Almost always the same signal: that of the write queue. */
  #listenTo(signal: AbortSignal): void {
    if (this.#signal === signal) return
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#signal = signal
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  #read(chunk: Buffer): void {
    const waiting = this.#waiting
    // Valid only during the call.
    if (this.#rest !== undefined) this.#rest.push(Buffer.from(chunk))
    // Nobody asked.
    else if (waiting === undefined) this.#socket.destroy()
    else if (isPlain(chunk)) {
      this.#waiting = undefined
      this.#isFirst = false
      waiting.resolve(PLAIN)
      // An answer that came before the whole body was read says nothing of the rest.
      if (this.#socket.writableLength > 0) this.#socket.destroy()
      else this.#onIdle(this)
    } else {
      this.#waiting = undefined
      this.#readByHttp(chunk, waiting).then(waiting.resolve, waiting.reject)
    }
  }

  /** The request was sent, so node:http gets a stream that swallows what it sends. */
  #readByHttp(begun: Buffer, { startedAtMs, signal }: Waiting): Promise<InfluxAnswer> {
    const rest = new Duplex({
      read() {},
      write: (_chunk, _encoding, done) => done(),
      destroy: (error, done) => {
        this.#socket.destroy()
        done(error)
      },
    })
    this.#rest = rest
    rest.push(Buffer.from(begun))
    const { answerMs } = this.#timeouts
    const leftMs = Math.max(1, startedAtMs + answerMs - performance.now())
    const request = httpRequest({ ...this.#place, method: 'POST', createConnection: () => rest })
    return exchange(request, {}, { ...this.#timeouts, answerMs: leftMs }, signal).finally(() => this.close())
  }

  #ended(): void {
    if (this.#rest !== undefined && !this.#rest.readableEnded) this.#rest.push(null)
    if (this.#waiting === undefined) return void this.#socket.destroy()
    this.#broke(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }))
  }

  #broke(error: NodeJS.ErrnoException): void {
    const isStale = !this.#isFirst && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    const Kind = isStale ? StaleConnectionError : TransportError
    this.#end(new Kind(error.code ?? 'UNKNOWN', describeError(error), { cause: error }))
  }

  #end(error: TransportError): void {
    this.#waiting?.reject(error)
    this.#waiting = undefined
    this.#socket.destroy()
  }
}

function isPlain(answer: Buffer): boolean {
  const text = answer.toString('latin1')
  if (!text.startsWith('HTTP/1.1 204 ')) return false
  return text.indexOf('\r\n\r\n') === text.length - 4 && !MORE_THAN_PLAIN.test(text)
}
