import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** The servers whose answers were recorded on 2026-11-23, each newly installed. */
export type RecordedServer = 'influxdb-2.7.12' | 'influxdb-1.6.7' | 'victoria-metrics-1.79.5'

/** A real server's answer to a body of line protocol with times in µs, and what it had stored afterwards. */
interface RecordedAnswer {
  readonly status: number
  readonly body?: string
  readonly 'x-influxdb-error'?: string
  readonly stored: { readonly points?: number }
}

export interface RecordedWrite {
  readonly case: string
  readonly written_before: string | null
  readonly body: string
  readonly answers: Readonly<Record<RecordedServer, RecordedAnswer>>
}

/** Other requests to InfluxDB 2.7.12. */
export interface RecordedExchange {
  readonly case: string
  readonly request: { readonly method: string; readonly path: string; readonly body: string | null }
  readonly response: { readonly status: number; readonly headers: Record<string, string>; readonly body: string }
}

export const recordedWrites: readonly RecordedWrite[] = readLines('influxdb-write-answers.jsonl')
export const recordedExchanges: readonly RecordedExchange[] = readLines('influxdb-2.7-other-answers.jsonl')

export function recordedExchange(name: string): RecordedExchange {
  const found = recordedExchanges.find((exchange) => exchange.case === name)
  if (found === undefined) throw new Error(`no recorded answer to ${name}`)
  return found
}

/**
 * The body's lines as a batch takes them: times in ns, each character a byte. Long repetitions, which the recording
 * shortens, are restored.
 */
export function linesOf({ case: name, body }: Pick<RecordedWrite, 'case' | 'body'>): string[] {
  const shortened = / of ([\d,]+) bytes$/.exec(name)
  let text = body
  if (shortened !== null) {
    const head = body.slice(0, body.indexOf('xxx'))
    const run = 'x'.repeat(Number(shortened[1]!.replace(',', '')))
    text = `${head}${run}${head.endsWith('"') ? '"' : ' v=1'} 1795400000000000`
  }
  const bytes = name.includes('not UTF-8') ? text : Buffer.from(text).toString('latin1')
  const lines = name === 'string with raw newline' ? [bytes] : bytes.split('\n')
  return lines.map((line) => `${line.replace(/ (-?\d+)(\r?)$/, ' $1000$2')}\n`)
}

interface ScriptedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type ScriptStep = ScriptedAnswer | 'hang up' | 'break off' | 'silence'

export interface RecordedInflux {
  readonly url: string
  /** Whether it has a user, an organisation and a bucket. */
  isSetUp: boolean
  /** Every stored line, as text without its newline. */
  readonly stored: Set<string>
  /** The requests, in order. */
  readonly requests: ReadonlyArray<{
    readonly path: string
    readonly headers: IncomingMessage['headers']
    readonly body: Buffer
    readonly lines: number
  }>
  /**
   * The answers to the next writes, which are not stored. `hang up` breaks the connection; `break off` breaks it in the
   * middle of the answer.
   */
  next(...answers: ScriptStep[]): void
  stop(): Promise<void>
}

/**
 * A stand-in that answers writes as InfluxDB 2.7.12 did in the recording:
 * - unparsable lines (those of the recording, and lines with ` v=bad `): 400 that quotes each of them; nothing is
 *   stored
 * - fields of another type (lines with ` v="`), and times before 2000, which are beyond the retention: 422 that names
 *   the first and counts them; the rest is stored
 * - a line with ` panic=`: 500, as from a server with a bug; nothing is stored
 */
export async function startRecordedInflux(): Promise<RecordedInflux> {
  const badLines = recordedReasons()
  const stored = new Set<string>()
  const requests: Array<{ path: string; headers: IncomingMessage['headers']; body: Buffer; lines: number }> = []
  const script: ScriptStep[] = []

  const write = (lines: readonly string[]): ScriptedAnswer => {
    if (lines.some((line) => line.includes(' panic='))) {
      return failure(500, 'internal error', 'An internal error has occurred - check server logs')
    }
    const bad = lines.filter((line) => badLines.has(line) || line.includes(' v=bad '))
    if (bad.length > 0) {
      const quoted = bad.map((line) => `unable to parse '${line}': ${badLines.get(line) ?? 'invalid boolean'}`)
      return failure(400, 'invalid', quoted.join('\n'))
    }
    const conflicts = lines.filter((line) => line.includes(' v="'))
    const old = lines.filter((line) => /^[^"]* [0-9]{1,18}$/.test(line))
    for (const line of lines) if (!conflicts.includes(line) && !old.includes(line)) stored.add(line)
    const partial = 'failure writing points to database: partial write: '
    if (conflicts.length > 0) {
      const measurement = conflicts[0]!.split(',', 1)[0]
      const words = `field type conflict: input field "v" on measurement "${measurement}" is type string, already exists as type float dropped=${conflicts.length}`
      return failure(422, 'unprocessable entity', partial + words)
    }
    if (old.length > 0) {
      const words = `dropped ${old.length} points outside retention policy of duration 1h0m0s - oldest point p,host=a at 1999-11-23T08:01:15.239133Z dropped because it violates a Retention Policy Lower Bound at 2026-11-23T17:01:15.239753777Z, newest point p,host=a at 1999-11-23T08:01:15.239133Z dropped because it violates a Retention Policy Lower Bound at 2026-11-23T17:01:15.239753777Z dropped=${old.length} for database: 509b6dbe353596d1 for retention policy: autogen`
      return failure(422, 'unprocessable entity', partial + words)
    }
    return { status: 204 }
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const lines = body
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
    const path = request.url ?? ''
    if (path === '/api/v2/setup') return void response.end(JSON.stringify({ allowed: !influx.isSetUp }))
    requests.push({ path, headers: request.headers, body, lines: lines.length })
    const next = path.startsWith('/ping') ? { status: 204 } : (script.shift() ?? write(lines))
    if (next === 'hang up') return void request.socket.destroy()
    if (next === 'silence') return
    if (next === 'break off') {
      response.writeHead(400, { 'content-length': 100 }).write('{"code":')
      return void setImmediate(() => request.socket.destroy())
    }
    response.writeHead(next.status, { 'x-influxdb-version': 'dev', ...next.headers })
    response.end(next.body)
  }

  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  const influx: RecordedInflux = {
    url: `http://127.0.0.1:${address.port}`,
    stored,
    requests,
    isSetUp: true,
    next: (...answers) => void script.push(...answers),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return influx
}

function failure(status: number, code: string, message: string): ScriptedAnswer {
  return { status, headers: { 'x-platform-error-code': code }, body: JSON.stringify({ code, message }) }
}

/** The reason that 2.7.12 gave for each line it could not parse. Times are as recorded, in µs. */
function recordedReasons(): Map<string, string> {
  const reasons = new Map<string, string>()
  for (const { answers } of recordedWrites) {
    const { status, body = '' } = answers['influxdb-2.7.12']
    if (status !== 400 || body.includes('…<')) continue
    const { message }: { message: string } = JSON.parse(body)
    for (const entry of message.split("unable to parse '").slice(1)) {
      const end = entry.lastIndexOf("': ")
      reasons.set(entry.slice(0, end), entry.slice(end + 3).trimEnd())
    }
  }
  return reasons
}

function readLines<T>(name: string): T[] {
  const text = readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')
  return text
    .trimEnd()
    .split('\n')
    .map((line): T => JSON.parse(line))
}
