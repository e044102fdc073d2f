import type { RedisLine } from './redis-line.ts'

/** A server that Redis has cut off comes back within a tenth of a second. */
const RETRY_MS = 200
const TRIES = 25
const ANSWER_MS = 10_000

/**
 * Sends commands until each of them was received, or nobody is there for some seconds. To hear the same last word twice does not matter; never to
 * hear it would leave a server waiting for what is lost.
 */
export async function sayLastWords(line: Pick<RedisLine, 'listen' | 'write'>, words: readonly Buffer[]): Promise<void> {
  if (words.length === 0) return
  for (let tries = 0; tries < TRIES; tries++) {
    if (await allReceive(line, words)) return
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
}

function allReceive(line: Pick<RedisLine, 'listen' | 'write'>, words: readonly Buffer[]): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Redis does not answer the last messages')), ANSWER_MS)
    const settled = (settle: () => void): void => {
      clearTimeout(timer)
      settle()
    }
    let answered = 0
    let unheard = 0
    line.listen({
      onReply: (receivers) => {
        answered++
        if (receivers === 0) unheard++
      },
      onRead: () => {
        if (answered === words.length) settled(() => resolve(unheard === 0))
      },
      onError: (message) => settled(() => reject(new Error(`Redis refuses the last messages: ${message}`))),
      onEnd: (problem) => settled(() => reject(problem)),
    })
    line.write(Buffer.concat(words), () => {})
  })
}
