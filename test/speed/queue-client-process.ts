// Produces at a queue over HTTP for so many seconds, then consumes and acks all of it, each message by a POST of its own. Prints one line
// of JSON (`QueueRun`).
//
//   node queue-client-process.mjs <url> <topic> <partitions> <seconds>
import { connect, type Socket } from 'node:net'
import { Histogram } from '../../internal/observe/histogram.ts'
import type { QueueRun } from './queue.ts'

const CONNECTIONS = 32
/** A row of a GPU, as the older system's streamer posts it. */
const BODY = JSON.stringify([
  ...['2025-07-18T20:42:34Z', 'DCGM_FI_DEV_GPU_UTIL', '0', 'nvidia0', 'GPU-5fd4f087-86f3-7a43-b711-4771313afc50'],
  ...['NVIDIA H100 80GB HBM3', 'mtv5-dgx1-hgpu-031', '', '', '', '42', 'DCGM_FI_DRIVER_VERSION="535.129.03",gpu="0"'],
])
const HEAD_END = '\r\n\r\n'

const [url, topic, partitionCount, seconds] = process.argv.slice(2)
const { hostname, port, host } = new URL(url!)
const partitions = Number(partitionCount)

/** A connection that stays open, with one request at a time. */
class Asker {
  readonly #socket: Socket
  #answer = ''
  #done: () => void = () => {}

  constructor() {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#take(chunk))
    this.#socket.on('error', (error) => fail(error.message))
  }

  post(path: string, body: string): Promise<void> {
    this.#socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    return new Promise((resolve) => {
      this.#done = resolve
    })
  }

  #take(chunk: string): void {
    this.#answer += chunk
    const headEnd = this.#answer.indexOf(HEAD_END)
    if (headEnd < 0) return
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#answer)?.[1]
    if (!this.#answer.startsWith('HTTP/1.1 200') || length === undefined) fail(this.#answer)
    if (this.#answer.length < headEnd + HEAD_END.length + Number(length)) return
    this.#answer = ''
    this.#done()
  }
}

const askers = Array.from({ length: CONNECTIONS }, () => new Asker())

async function timed(work: Histogram, asked: Promise<void>): Promise<void> {
  const beginMs = performance.now()
  await asked
  work.record(Math.round((performance.now() - beginMs) * 1000))
}

const produce = new Histogram()
let produced = 0
const beginMs = performance.now()
const endMs = beginMs + Number(seconds) * 1000
await Promise.all(
  askers.map(async (asker) => {
    while (performance.now() < endMs) {
      const path = `/produce?topic=${topic}&partition=${produced++ % partitions}`
      await timed(produce, asker.post(path, BODY))
    }
  }),
)
const produceSeconds = (performance.now() - beginMs) / 1000

const acks = new Histogram()
const waiting: Array<{ readonly partition: number; readonly id: string }> = []
const free: Array<() => void> = []
for (let partition = 0; partition < partitions; partition++) consume(partition)
const consumeBeginMs = performance.now()
let taken = 0
await Promise.all(
  askers.map(async (asker) => {
    while (taken < produced) {
      const next = waiting.shift()
      if (next === undefined) {
        await new Promise<void>((resolve) => free.push(resolve))
        continue
      }
      taken++
      const path = `/ack?topic=${topic}&partition=${next.partition}&group=all`
      await timed(acks, asker.post(path, `{"id":"${next.id}"}`))
    }
    for (const wake of free.splice(0)) wake()
  }),
)
const consumeSeconds = (performance.now() - consumeBeginMs) / 1000

const run: QueueRun = {
  messages: produced,
  produceRate: produced / produceSeconds,
  consumeRate: produced / consumeSeconds,
  produceP99Ms: produce.percentile(99) / 1000,
  ackP99Ms: acks.percentile(99) / 1000,
}
process.stdout.write(`${JSON.stringify(run)}\n`, () => process.exit())

function consume(partition: number): void {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  socket.setEncoding('latin1')
  socket.on('error', (error) => fail(error.message))
  socket.write(`GET /consume?topic=${topic}&partition=${partition}&group=all HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  let rest = ''
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) if (line.startsWith('id: ')) waiting.push({ partition, id: line.slice('id: '.length) })
    for (const wake of free.splice(0)) wake()
  })
}

function fail(reason: string): never {
  console.error(`${url}: ${reason}`)
  process.exit(1)
}
