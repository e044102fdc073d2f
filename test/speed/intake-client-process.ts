// Posts line protocol for so many seconds, over several connections, each body a line a series. Prints one line of JSON (`Posted`).
//
//   node intake-client-process.mjs <url> <connections> <lines> <seconds>
import { connect, type Socket } from 'node:net'
import type { Posted } from './intake.ts'

const [url, connections, lines, seconds] = process.argv.slice(2)
const { hostname, port, host } = new URL(url!)
const LINES = Number(lines)
const HEAD_END = '\r\n\r\n'
/** Wide enough for each number of a post that a connection comes to. */
const FIRST_POST = 1_000_000
/** The posts of a connection are a millisecond apart, and end before now. */
const FROM_MS = Date.now() - 3_600_000
const RETRY_MS = 20

/** A connection that stays open, with one request at a time. */
class Sender {
  taken = 0
  again = 0
  readonly #socket: Socket
  readonly #request: Buffer
  /** Where in the request the values of each line stand. */
  readonly #places: ReadonlyArray<{ readonly post: number; readonly value: number; readonly time: number }>
  #answer = ''
  #done: (status: string) => void = () => {}

  constructor(name: string) {
    const places: Array<{ post: number; value: number; time: number }> = []
    let body = ''
    const place = (text: string, blank: string): number => {
      body += text
      const at = body.length
      body += blank
      return at
    }
    for (let line = 0; line < LINES; line++) {
      places.push({
        post: place(`intake,host=${name}-${line},rack=r${line % 8} post=`, '0000000'),
        value: place('i,usage=', '00'),
        time: place(`.${line % 10},free=${1e9 + line} `, '0000000000000'),
      })
      body += '000000\n'
    }
    const head = `POST /api/v2/write?org=o&bucket=b HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}${HEAD_END}`
    this.#request = Buffer.from(head + body, 'latin1')
    this.#places = places.map(({ post, value, time }) => ({
      ...{ post: post + head.length, value: value + head.length, time: time + head.length },
    }))
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#take(chunk))
    this.#socket.on('error', (error) => fail(error.message))
    this.#socket.on('close', () => fail('it closes the connection'))
  }

  async send(untilMs: number): Promise<void> {
    for (; performance.now() < untilMs; this.taken++) {
      this.#write(this.taken)
      for (let status = ''; status !== '204'; ) {
        status = await this.#post()
        if (status === '204') break
        if (status !== '429') fail(`it answers ${status}: ${this.#answer}`)
        this.again++
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  #write(post: number): void {
    const [number, time] = [`${FIRST_POST + post}`, `${FROM_MS + post}`]
    this.#places.forEach((place, line) => {
      this.#request.write(number, place.post, 'latin1')
      this.#request.write(`${10 + ((post + line) % 90)}`, place.value, 'latin1')
      this.#request.write(time, place.time, 'latin1')
    })
  }

  #post(): Promise<string> {
    this.#answer = ''
    this.#socket.write(this.#request)
    return new Promise((resolve) => {
      this.#done = resolve
    })
  }

  #take(chunk: string): void {
    this.#answer += chunk
    const headEnd = this.#answer.indexOf(HEAD_END)
    if (headEnd < 0) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#answer)?.[1] ?? 0)
    if (this.#answer.length < headEnd + HEAD_END.length + length) return
    this.#done(this.#answer.slice('HTTP/1.1 '.length, 'HTTP/1.1 204'.length))
  }
}

const beganMs = performance.now()
const senders = Array.from({ length: Number(connections) }, (_, n) => new Sender(`c${n}`))
await Promise.all(senders.map((sender) => sender.send(beganMs + Number(seconds) * 1000)))
const posted: Posted = {
  seconds: (performance.now() - beganMs) / 1000,
  posts: senders.map(({ taken }) => taken),
  again: senders.reduce((sum, { again }) => sum + again, 0),
  firstPost: FIRST_POST,
}
process.stdout.write(`${JSON.stringify(posted)}\n`, () => process.exit())

function fail(reason: string): never {
  console.error(`${url}: ${reason}`)
  process.exit(1)
}
