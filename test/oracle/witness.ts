import { connect, type Socket } from 'node:net'
import { frameCodec } from '../../internal/codec/frame.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { influxQuery } from '../support/influx.ts'

interface Seen {
  readonly measurement: string
  readonly tags: ReadonlyArray<readonly [string, string]>
  readonly timesUs: Set<number>
}

/**
 * Watches with Redis' MONITOR the messages of a program that keeps no notes. Each of their samples is then owed, by
 * series and time. MONITOR does not show whether a server listened, so this is for rows in which one always does.
 */
export class Witness {
  /** By series key. */
  readonly seen = new Map<string, Seen>()
  readonly #socket: Socket
  readonly #decoder = frameCodec.decoder(new SeriesTable())
  readonly #host: string

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
  }

  /** @param host the host of the program, with which its run ids begin */
  static async open(redisPort: number, host: string): Promise<Witness> {
    const socket = connect(redisPort, '127.0.0.1', () => socket.write('MONITOR\r\n'))
    const witness = new Witness(socket, host)
    let text = ''
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        const lines = text.split('\r\n')
        text = lines.pop() ?? ''
        for (const line of lines) {
          if (line === '+OK') resolve()
          else witness.#read(line)
        }
      })
    })
    return witness
  }

  close(): void {
    this.#socket.destroy()
  }

  /** How many samples it saw, and how many of them the database has. */
  async compare(url: string, database: string): Promise<{ sent: number; stored: number }> {
    let [sent, stored] = [0, 0]
    for (const { measurement, tags, timesUs } of this.seen.values()) {
      const where = tags.map(([key, value]) => `"${key}" = '${value.replace(/['\\]/g, '\\$&')}'`).join(' AND ')
      const rows = await influxQuery(url, database, `SELECT * FROM "${measurement}" WHERE ${where}`)
      const found = new Set(rows.map(({ time }) => Number(time)))
      sent += timesUs.size
      for (const time of timesUs) if (found.has(time)) stored++
    }
    return { sent, stored }
  }

  /** `+1795473905.733 [0 127.0.0.1:41234] "publish" "metrics" "SSF\xf5…"`; the payload is the last argument. */
  #read(line: string): void {
    if (!/^\+[\d.]+ \[[^\]]*\] "(publish|xadd)" /i.test(line)) return
    const payload = unescaped(/"((?:[^"\\]|\\.)*)"$/.exec(line)?.[1] ?? '')
    if (!payload.includes(`${this.#host}/`)) return
    this.#decoder.decode(payload, { receivedAt: 0, tie: 0 }, ({ series, at }) => {
      const known = this.seen.get(series.key)
      const seen = known ?? { measurement: series.measurement, tags: series.tags, timesUs: new Set() }
      if (known === undefined) this.seen.set(series.key, seen)
      seen.timesUs.add(at)
    })
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' }

function unescaped(text: string): Buffer {
  const plain = text.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, letter: string) =>
    hex === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(plain, 'latin1')
}
