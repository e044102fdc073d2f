import { Writable } from 'node:stream'
import { Command, type Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { sendPayload } from './prepared-command.ts'

/** What the client would write of a command, and how many bytes of it are the very ones of the payload. */
function written(command: Command, payload: Buffer): { bytes: Buffer; inPlace: number } {
  const chunks: Buffer[] = []
  const stream = new Writable({ write: (chunk: Buffer, _, done) => done(void chunks.push(chunk)) })
  stream.write(command.toWritable(stream))
  const inPlace = chunks.filter(({ buffer }) => buffer === payload.buffer).reduce((sum, { length }) => sum + length, 0)
  return { bytes: Buffer.concat(chunks), inPlace }
}

it.each([
  ['publish', ['metrics'], 0, false],
  ['xadd', ['queue:{tä:0}', 'MAXLEN', '~', '9', '*', 'd'], 1_000, false],
  ['hset', ['fabric:rows:a', '3'], 70_000, true],
  ['publish', ['métriques'], 1_200_000, true],
])(
  'a command %s %j with a payload of %i bytes is what the client would write, in place: %s',
  (name, args, bytes, isInPlace) => {
    const payload = Buffer.allocUnsafeSlow(bytes).fill('a\r\n$1')
    const sent: Command[] = []
    const client = { sendCommand: async (command: Command) => void sent.push(command) } as unknown as Redis
    void sendPayload(client, name, args, payload)
    const { bytes: expected } = written(new Command(name, [...args, payload]), payload)
    const { bytes: got, inPlace } = written(sent[0]!, payload)
    expect(got.equals(expected)).toBe(true)
    expect(inPlace).toBe(isInPlace ? bytes : 0)
  },
)
