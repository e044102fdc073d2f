import type { RedisLine } from './redis-line.ts'

/** A server that Redis disconnected is back within a tenth of a second. */
const RETRY_MS = 200
const TRIES = 25
const ANSWER_MS = 10_000

/**
 * Sends end markers until a server receives each of them, or no server is there for some seconds. A server may receive
 * a marker twice; without it the server would wait for messages that are lost.
 */
export async function sendEndMarkers(
  line: Pick<RedisLine, 'listen' | 'write'>,
  markers: readonly Buffer[],
): Promise<void> {
  if (markers.length === 0) return
  for (let tries = 0; tries < TRIES; tries++) {
    if (await allReceived(line, markers)) return
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

function allReceived(line: Pick<RedisLine, 'listen' | 'write'>, markers: readonly Buffer[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Redis does not answer the end markers')), ANSWER_MS)
    const settled = (settle: () => void): void => {
      clearTimeout(timer)
      settle()
    }
    let answered = 0
    let unreceived = 0
    line.listen({
      onReply: (receivers) => {
        answered++
        if (receivers === 0) unreceived++
      },
      onRead: () => {
        if (answered === markers.length) settled(() => resolve(unreceived === 0))
      },
      onError: (message) => settled(() => reject(new Error(`Redis refuses the end markers: ${message}`))),
      onEnd: (problem) => settled(() => reject(problem)),
    })
    line.write(Buffer.concat(markers), () => {})
  })
}
