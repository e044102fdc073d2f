// Asks for one URL at a steady rate over so many keep-alive connections, each with one request at a time, and prints one line of JSON
// (`Answered`) after so many seconds. A request counts from when it was due, also while all connections wait for answers: so a server that
// stands still is late for each request that came meanwhile.
//
//   node steady-client-process.mjs <url> <connections> <requests a second> <seconds> <header>
import { connect, type Socket } from 'node:net'
import type { Answered } from './swap.ts'

const HEAD_END = '\r\n\r\n'

const [url, connections, rate, seconds, header] = process.argv.slice(2)
const { hostname, port, host, pathname, search } = new URL(url!)
const request = Buffer.from(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${header}\r\n\r\n`)
const answered: Answered = { dueAtMs: [], tookMs: [] }
const startedAtMs = performance.now()
/** Requests that were due. */
let due = 0
/** When those became due that no connection was free for. */
const waiting: number[] = []
const free: Asker[] = []

class Asker {
  readonly #socket: Socket
  #dueMs = 0
  #answer = ''

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('connect', () => this.#next())
    socket.on('data', (chunk: string) => this.#take(chunk))
    socket.on('error', (error) => fail(error.message))
    socket.on('end', () => fail('the server ended a connection'))
  }

  ask(dueMs: number): void {
    this.#dueMs = dueMs
    this.#socket.write(request)
  }

  #take(chunk: string): void {
    this.#answer += chunk
    const headEnd = this.#answer.indexOf(HEAD_END)
    if (headEnd < 0) return
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#answer)?.[1]
    if (!this.#answer.startsWith('HTTP/1.1 200') || length === undefined) fail(this.#answer)
    if (this.#answer.length < headEnd + HEAD_END.length + Number(length)) return
    this.#answer = ''
    answered.dueAtMs.push(performance.timeOrigin + this.#dueMs)
    answered.tookMs.push(performance.now() - this.#dueMs)
    this.#next()
  }

  #next(): void {
    const dueMs = waiting.shift()
    if (dueMs === undefined) free.push(this)
    else this.ask(dueMs)
  }
}

for (let n = 0; n < Number(connections); n++) new Asker(connect({ host: hostname, port: Number(port), noDelay: true }))
const timer = setInterval(() => {
  for (const nowMs = performance.now(); ; due++) {
    const dueMs = startedAtMs + (due / Number(rate)) * 1000
    if (dueMs > nowMs) break
    // In turns: a server ends a connection that never asks.
    const asker = free.shift()
    if (asker === undefined) waiting.push(dueMs)
    else asker.ask(dueMs)
  }
}, 1)
setTimeout(() => {
  clearInterval(timer)
  process.stdout.write(`${JSON.stringify(answered)}\n`, () => process.exit())
}, Number(seconds) * 1000)

function fail(reason: string): never {
  console.error(`${url}: ${reason}`)
  process.exit(1)
}
