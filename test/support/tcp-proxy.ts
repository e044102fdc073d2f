import { connect, createServer, type Server, type Socket } from 'node:net'

/** The fault that the proxy injects. */
export type TcpFault =
  | { readonly kind: 'none' }
  /** Nothing passes and nothing is closed, as with a pulled cable. `answers` holds back only the server's bytes. */
  | { readonly kind: 'silent'; readonly only?: 'answers' }
  /** Each chunk passes after this delay. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Every connection is closed at once. */
  | { readonly kind: 'closed' }

/** A proxy in front of a server of 127.0.0.1 that injects faults, on open and on new connections. */
export interface TcpProxy {
  readonly port: number
  /** The number of open connections. */
  readonly connections: number
  /** Changes the fault. Bytes that the previous fault held back pass now. */
  become(fault: TcpFault): void
  /** New connections go to the server on this port; open ones stay where they are. */
  leadTo(port: number): void
  /** Breaks all open connections. Bytes on their way are lost. */
  cut(): void
  /** Makes the open connections silent: they stay open, and nothing passes. New ones work. */
  halfOpen(): void
  stop(): Promise<void>
}

export async function startTcpProxy(firstPort: number): Promise<TcpProxy> {
  const pipes = new Set<Pipe>()
  /** Sockets that do not yet know that their other end has closed, until the fault is over. */
  const cutOff = new Set<Socket>()
  /** Pipes of connections that stay half-open. */
  const abandoned = new Set<Pipe>()
  let targetPort = firstPort
  let fault: TcpFault = { kind: 'none' }

  const cut = (): void => {
    for (const { from, to } of pipes) {
      from.destroy()
      to.destroy()
    }
  }
  const server: Server = createServer((client) => {
    if (fault.kind === 'closed') return void client.destroy()
    const upstream = connect(targetPort, '127.0.0.1')
    for (const [from, to, isAnswer] of [
      [client, upstream, false],
      [upstream, client, true],
    ] as const) {
      const pipe = new Pipe(from, to, isAnswer)
      pipe.become(fault)
      pipes.add(pipe)
      from.setNoDelay(true)
      from.on('error', () => {})
      from.once('close', () => {
        pipes.delete(pipe)
        if (abandoned.has(pipe)) return
        // As with a pulled cable, the other side does not notice: Redis still counts a dead subscriber.
        if (fault.kind === 'silent') cutOff.add(to)
        else pipe.finish()
      })
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return {
    port: address.port,
    get connections() {
      return pipes.size / 2
    },
    become(next) {
      fault = next
      if (next.kind !== 'silent') {
        for (const socket of cutOff) socket.destroy()
        cutOff.clear()
      }
      for (const pipe of pipes) pipe.become(next)
      if (next.kind === 'closed') cut()
    },
    leadTo(port) {
      targetPort = port
    },
    cut,
    halfOpen() {
      for (const pipe of pipes) {
        pipes.delete(pipe)
        abandoned.add(pipe)
        pipe.become({ kind: 'silent' })
      }
    },
    async stop() {
      cut()
      for (const socket of cutOff) socket.destroy()
      for (const { from } of abandoned) from.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** One direction of a connection. */
class Pipe {
  readonly from: Socket
  readonly to: Socket
  readonly #isAnswer: boolean
  #fault: TcpFault = { kind: 'none' }
  /** Bytes that were read and may not pass yet, each chunk with the time at which it may. */
  #waiting: Array<{ chunk: Buffer; dueMs: number }> = []
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(from: Socket, to: Socket, isAnswer: boolean) {
    this.from = from
    this.to = to
    this.#isAnswer = isAnswer
    from.on('data', (chunk: Buffer) => this.#take(chunk))
    to.on('drain', () => this.#flow())
  }

  become(fault: TcpFault): void {
    this.#fault = fault
    if (fault.kind !== 'slow') for (const piece of this.#waiting) piece.dueMs = 0
    this.#flow()
  }

  /** The sender has closed: the receiver's side is closed once it has all bytes. */
  finish(): void {
    this.#ended = true
    this.#flow()
  }

  get #isSilent(): boolean {
    return this.#fault.kind === 'silent' && (this.#fault.only === undefined || this.#isAnswer)
  }

  #take(chunk: Buffer): void {
    const delayMs = this.#fault.kind === 'slow' ? this.#fault.delayMs : 0
    this.#waiting.push({ chunk, dueMs: delayMs === 0 ? 0 : Date.now() + delayMs })
    this.#flow()
  }

  /** Passes on what may pass. The rest stays in the sender's socket, as on a stopped network. */
  #flow(): void {
    clearTimeout(this.#timer)
    while (!this.#isSilent && this.#waiting.length > 0 && !this.to.writableNeedDrain) {
      const waitMs = this.#waiting[0]!.dueMs - Date.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#flow(), waitMs)
        break
      }
      this.to.write(this.#waiting.shift()!.chunk)
    }
    if (this.#ended && this.#waiting.length === 0) this.to.end()
    const isHeldUp = this.#isSilent || this.to.writableNeedDrain
    if (isHeldUp) this.from.pause()
    else this.from.resume()
  }
}
