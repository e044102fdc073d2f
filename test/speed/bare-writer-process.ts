// How fast the store is by itself: POSTs batches of line protocol that are made already, as fast as InfluxDB takes them, over as many connections as
// the server uses, and prints {"samples": …, "seconds": …, "startUs": …, "endUs": …}. The lines are those that the server makes of the benchmark's frames; between two
// posts of a batch only the seconds of its times change, so that each post brings new points.
//
//   node bare-writer-process.mjs <store URL> <influx|victoria> <database> <series> <seconds>
import { Agent, request } from 'node:http'

const LINES = 5_000
const CONNECTIONS = 2
/** Ready-made batches of each connection, of values that differ. */
const BATCHES = 8
/** Seconds since the epoch: begins a time of ten digits and nine more. */
const SECOND_DIGITS = 10
const TIME_DIGITS = 19

const [storeUrl = '', kind, database, seriesCount, seconds] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
const base = Math.floor(Date.now() / 1000)
let nextSecond = base

// VictoriaMetrics has no databases, and no such path.
if (kind === 'influx') {
  await post('/query', Buffer.from(`q=CREATE DATABASE ${database}`), 'application/x-www-form-urlencoded')
}
const startedAtMs = performance.now()
const endMs = startedAtMs + Number(seconds) * 1000
const sums = await Promise.all(Array.from({ length: CONNECTIONS }, write))
const samples = sums.reduce((sum, one) => sum + one, 0)
const times = { startUs: base * 1e6, endUs: nextSecond * 1e6 }
console.log(JSON.stringify({ samples, seconds: (performance.now() - startedAtMs) / 1000, ...times }))
agent.destroy()

async function write(): Promise<number> {
  const batches = Array.from({ length: BATCHES }, makeBatch)
  let written = 0
  for (let n = 0; performance.now() < endMs; n++) {
    const batch = batches[n % BATCHES]!
    stamp(batch, nextSecond++)
    await post(`/write?db=${database}&precision=ns`, batch.bytes)
    written += LINES
  }
  return written
}

interface Batch {
  readonly bytes: Buffer
  /** Where the time of each line begins. */
  readonly timesAt: Uint32Array
}

function makeBatch(): Batch {
  const timesAt = new Uint32Array(LINES)
  const lines: string[] = []
  let at = 0
  for (let i = 0; i < LINES; i++) {
    const value = (): string => (10 + Math.random() * 90).toFixed(2)
    const nanoseconds = String(Math.floor(i / Number(seriesCount)) * 1000).padStart(TIME_DIGITS - SECOND_DIGITS, '0')
    const line = `system_stats,host=bench-0,sensor=s${i % Number(seriesCount)} cpu=${value()},mem=${value()} ${base}${nanoseconds}\n`
    lines.push(line)
    at += line.length
    timesAt[i] = at - 1 - TIME_DIGITS
  }
  return { bytes: Buffer.from(lines.join(''), 'latin1'), timesAt }
}

/** Each second is given to one post, of all connections. */
function stamp({ bytes, timesAt }: Batch, second: number): void {
  const digits = Buffer.from(String(second), 'latin1')
  for (const at of timesAt) for (let i = 0; i < SECOND_DIGITS; i++) bytes[at + i] = digits[i]!
}

function post(path: string, body: Buffer, type = 'text/plain'): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': type, 'content-length': body.length }
    const asked = request(storeUrl + path, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      const { statusCode } = response
      response.on('end', () => (statusCode! < 300 ? resolve() : reject(new Error(`${path}: ${statusCode}`))))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}
