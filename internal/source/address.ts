import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { errorText } from '../text/error-text.ts'
import type { AnswerBody } from './answer-body.ts'
import { type CredentialOptions, type Credentials, readCredentials } from './credentials.ts'
import type { Place } from './target.ts'
import { TargetError } from './target-error.ts'

const MAX_REDIRECTS = 3
/** A refusal in words is cut to this length in the log. */
const SHOWN_BYTES = 200
/** The most bytes that libuv reads at once. */
const READ_BYTES = 64 * 1024

/** By what an address knows that somebody has its newest answer. */
interface Validators {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
}

export interface AddressOptions {
  readonly url: string
  /** Whether it is asked for gzip. An answer in gzip is read in any case. */
  readonly gzip: boolean
  /** The header `Accept`: that of CSV unless told otherwise. */
  readonly accept?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Whether it is asked only for what is newer than what was taken last: true unless told otherwise. */
  readonly isConditional?: boolean
  readonly credentials?: CredentialOptions
  /** The name in its certificate, where that is another than the one in the URL. */
  readonly serverName?: string | undefined
}

const ACCEPTS_CSV = 'text/csv, text/plain;q=0.9, */*;q=0.1'

/** An address that is asked over HTTP, for what is new since the answer that was taken last. */
export class Address implements Place {
  readonly #url: URL
  readonly #options: AddressOptions
  readonly #isSecure: boolean
  #agent: HttpAgent
  #credentials: Credentials | undefined
  #taken: Validators | undefined
  #newest: Validators | undefined

  constructor(options: AddressOptions) {
    this.#url = new URL(options.url)
    this.#options = options
    this.#isSecure = this.#url.protocol === 'https:'
    this.#agent = this.#newAgent()
  }

  /** @throws TargetError, or what the signal was aborted with */
  async read(body: AnswerBody, signal: AbortSignal): Promise<'read' | 'nothing_new'> {
    await this.#renewCredentials()
    let url = this.#url
    for (let redirects = 0; ; redirects++) {
      const response = await this.#ask(url, signal)
      const { statusCode = 0, headers } = response
      const { location } = headers
      if (statusCode >= 300 && statusCode < 400 && statusCode !== 304 && location !== undefined) {
        response.resume()
        if (redirects === MAX_REDIRECTS)
          throw new TargetError('redirect', `it redirects more than ${MAX_REDIRECTS} times`)
        url = this.#redirected(url, location)
      } else return await this.#take(response, body, signal)
    }
  }

  taken(): void {
    if (this.#options.isConditional ?? true) this.#taken = this.#newest
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Reads the files again. Another certificate is for new connections. */
  async #renewCredentials(): Promise<void> {
    const { credentials } = this.#options
    if (credentials === undefined) return
    const before = this.#credentials?.tls
    this.#credentials = await readCredentials(credentials)
    const { ca, cert, key } = this.#credentials.tls
    if (!this.#isSecure || (before?.ca === ca && before?.cert === cert && before?.key === key)) return
    this.#agent.destroy()
    this.#agent = this.#newAgent()
  }

  #newAgent(): HttpAgent {
    const options = { keepAlive: true, maxSockets: 1, onread: intoOneBuffer() }
    if (!this.#isSecure) return new HttpAgent(options)
    const { serverName: servername } = this.#options
    return new HttpsAgent({
      ...options,
      ...this.#credentials?.tls,
      ...(servername === undefined ? {} : { servername }),
    })
  }

  #ask(url: URL, signal: AbortSignal, isRepeated = false): Promise<IncomingMessage> {
    const { accept = ACCEPTS_CSV, gzip, headers: more } = this.#options
    const headers: Record<string, string> = {
      accept,
      'accept-encoding': gzip ? 'gzip' : 'identity',
      'user-agent': 'sentinelstream',
      ...more,
    }
    const authorization = this.#credentials?.authorization
    if (authorization !== undefined) headers.authorization = authorization
    if (this.#taken?.etag !== undefined) headers['if-none-match'] = this.#taken.etag
    if (this.#taken?.lastModified !== undefined) headers['if-modified-since'] = this.#taken.lastModified
    const request = this.#isSecure ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const asked = request(url, { agent: this.#agent, headers, signal })
      asked.on('response', resolve)
      asked.on('error', (cause: NodeJS.ErrnoException) => {
        // The server ended a connection that it thought idle just when it was asked over it again.
        const wasIdle = asked.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
        if (wasIdle && !isRepeated && !signal.aborted) resolve(this.#ask(url, signal, true))
        else reject(unreachable(cause, signal))
      })
      asked.end()
    })
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined
    // Another host would get the password, and might be one that nobody meant.
    if (to?.origin !== from.origin)
      throw new TargetError(
        'redirect',
        `it redirects to another host, ${to?.host ?? 'which cannot be read'}: name that address as the target`,
      )
    to.username = from.username
    to.password = from.password
    return to
  }

  async #take(response: IncomingMessage, body: AnswerBody, signal: AbortSignal): Promise<'read' | 'nothing_new'> {
    const { statusCode = 0, headers } = response
    if (statusCode === 304 || statusCode === 204) {
      response.resume()
      return 'nothing_new'
    }
    if (statusCode !== 200) {
      const words = await wordsOf(response)
      throw new TargetError('status', `it answered ${statusCode}${this.#credentials?.hide(words) ?? words}`)
    }
    const length = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
    const encoding = headers['content-encoding']?.toLowerCase() ?? 'identity'
    if (encoding !== 'identity' && encoding !== 'gzip') {
      response.destroy()
      throw new TargetError('encoding', `it answers in ${encoding}, which nobody asked for`)
    }
    const received = await read(response, body, encoding === 'gzip', length, signal)
    if (length !== undefined && received !== length)
      throw new TargetError('cut_off', `it was cut off: ${received} of ${length} bytes came`)
    if (body.bytes.length === 0) return 'nothing_new'
    this.#newest = { etag: headers.etag, lastModified: headers['last-modified'] }
    return 'read'
  }
}

/**
 * How a socket reads: into the same bytes again and again, of which the parser of HTTP takes copies. Node.js would take 64 KiB
 * for each read, 30 MB for 100,000 ports, and V8 learns late of what lies outside of its heap.
 */
function intoOneBuffer(): { buffer: Buffer; callback(this: Socket, length: number): boolean } {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  return {
    buffer,
    callback(length) {
      this.emit('data', buffer.subarray(0, length))
      return true
    },
  }
}

/** @returns the bytes that came over the network */
async function read(
  response: IncomingMessage,
  body: AnswerBody,
  isGzip: boolean,
  length: number | undefined,
  signal: AbortSignal,
): Promise<number> {
  let received = 0
  let refusal: unknown
  try {
    body.begin(isGzip ? 0 : length)
    if (isGzip) {
      response.on('data', (chunk: Buffer) => (received += chunk.length))
      await pipeline(response, createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
        try {
          for await (const chunk of chunks) body.add(chunk)
        } catch (cause) {
          // Node.js 20 rejects with an abort of the stream in its place.
          refusal = cause
          throw cause
        }
      })
      return received
    }
    for await (const chunk of response as AsyncIterable<Buffer>) {
      received += chunk.length
      body.add(chunk)
    }
    return received
  } catch (error) {
    response.destroy()
    if (signal.aborted) throw signal.reason
    const cause = refusal instanceof TargetError ? refusal : error
    if (cause instanceof TargetError) throw cause
    const { code = '' } = cause as Partial<NodeJS.ErrnoException>
    if (code.startsWith('Z_') && code !== 'Z_BUF_ERROR')
      throw new TargetError('encoding', `it says that its answer is gzip, which it is not`, { cause })
    throw new TargetError('cut_off', `it was cut off after ${received} bytes: ${errorText(cause)}`, { cause })
  }
}

/** The first line of an error answer. */
async function wordsOf(response: IncomingMessage): Promise<string> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const [line = ''] = chunk.toString('utf8', 0, SHOWN_BYTES).split('\n')
      return line.trim() === '' ? '' : `: ${line.trim()}`
    }
  } catch {
    // It answered, and that is what counts.
  } finally {
    response.destroy()
  }
  return ''
}

function unreachable(cause: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  return new TargetError('unreachable', `it cannot be asked: ${errorText(cause)}`, { cause })
}
