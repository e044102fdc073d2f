import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { until } from './servers.ts'

/** A proxy in front of a generator that keeps what was served: whoever asked has each of these snapshots. */
export interface RecordedCounters {
  readonly url: string
  /** The bodies that were sent to their end, in order. */
  readonly bodies: readonly string[]
  /** From now on the answer is that there is nothing new. Resolves when none of before is under way. */
  hold(): Promise<void>
  stop(): Promise<void>
}

/** @param url of the counters */
export async function recordCounters(url: string): Promise<RecordedCounters> {
  const { origin, pathname } = new URL(url)
  const bodies: string[] = []
  let isHeld = false
  let underWay = 0

  const pass = (from: IncomingMessage, to: ServerResponse): void => {
    underWay++
    to.once('close', () => underWay--)
    const asked = request(`${origin}${from.url}`, { headers: { ...from.headers, connection: 'close' } }, (answer) => {
      const chunks: Buffer[] = []
      to.writeHead(answer.statusCode!, answer.headers)
      answer.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        to.write(chunk)
      })
      answer.once('close', () => {
        if (!answer.complete) to.destroy()
        else if (answer.statusCode !== 200) to.end()
        else to.end(() => bodies.push(Buffer.concat(chunks).toString()))
      })
    })
    asked.once('error', () => to.destroy())
    asked.end()
  }
  const server: Server = createServer((from, to) => (isHeld ? void to.writeHead(304).end() : pass(from, to)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    bodies,
    async hold() {
      isHeld = true
      await until('no answer is under way', () => underWay === 0)
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
