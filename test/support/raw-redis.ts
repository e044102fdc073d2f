import { connect, type Socket } from 'node:net'

/** RESP, written by hand: what an external publisher sends, without our libraries. */
function command(...parts: Array<string | Buffer>): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}\r\n`)]
  for (const part of parts) {
    const bytes = Buffer.from(part)
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(pieces)
}

/**
 * Publishes messages over raw sockets, spread over `connections`, all at once; resolves with the number of receivers
 * that Redis reported, summed over all messages.
 */
export async function publishRaw(
  port: number,
  channel: string,
  messages: readonly Buffer[],
  connections = 1,
): Promise<number> {
  const shares = Array.from({ length: connections }, (_, n) => messages.filter((_m, i) => i % connections === n))
  const receivers = await Promise.all(shares.map((share) => publishShare(port, channel, share)))
  return receivers.reduce((sum, count) => sum + count, 0)
}

async function publishShare(port: number, channel: string, messages: readonly Buffer[]): Promise<number> {
  if (messages.length === 0) return 0
  const socket: Socket = connect(port, '127.0.0.1')
  let text = ''
  let replies = 0
  let receivers = 0
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after ${replies} of ${messages.length} replies: ${text}`)))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const lines = text.split('\r\n')
      text = lines.pop() ?? ''
      for (const line of lines) {
        if (!line.startsWith(':')) return reject(new Error(line))
        receivers += Number(line.slice(1))
        replies++
      }
      if (replies === messages.length) resolve()
    })
  })
  socket.write(Buffer.concat(messages.map((message) => command('PUBLISH', channel, message))))
  await done
  socket.removeAllListeners('close')
  socket.destroy()
  return receivers
}

/** The 32 bytes of the Packed format: s, cpu, mem, ns, little-endian. */
export function packed(cpu: number, mem: number, sentAtMs: number): Buffer {
  const bytes = Buffer.alloc(32)
  bytes.writeBigInt64LE(BigInt(Math.floor(sentAtMs / 1000)), 0)
  bytes.writeDoubleLE(cpu, 8)
  bytes.writeDoubleLE(mem, 16)
  bytes.writeBigInt64LE(BigInt(sentAtMs) * 1_000_000n, 24)
  return bytes
}

/** A JSON message as the Go agent sent it. */
export function json(cpu: number, mem: number, sentAtMs: number): Buffer {
  return Buffer.from(
    `{"timestamp":${Math.floor(sentAtMs / 1000)},"cpu_usage":${cpu},"mem_usage":${mem},"send_time_unix_nano":${sentAtMs}000000}`,
  )
}
