import { expect, test } from 'vitest'
import { sayLastWords } from './last-words.ts'
import type { LineListener } from './redis-line.ts'

/** A Redis that answers each command with these numbers of receivers, one list a time; after the last with an end or an error. */
function lineThat(answers: ReadonlyArray<readonly number[] | Error | string>) {
  let listener: LineListener | undefined
  const said: string[] = []
  return {
    said,
    listen(next: LineListener) {
      listener = next
    },
    write(bytes: Buffer) {
      const answer = answers[said.length]!
      said.push(bytes.toString())
      setImmediate(() => {
        if (answer instanceof Error) return listener!.onEnd(answer)
        if (typeof answer === 'string') return listener!.onError(answer)
        for (const receivers of answer) {
          listener!.onReply(receivers)
          listener!.onRead()
        }
      })
    },
  }
}

const WORDS = [Buffer.from('a'), Buffer.from('b')]

test('are said again until somebody hears each', async () => {
  const line = lineThat([
    [1, 0],
    [0, 1],
    [1, 1],
  ])
  await sayLastWords(line, WORDS)
  expect(line.said).toEqual(['ab', 'ab', 'ab'])
})

test('of formats that have none are not said', async () => {
  const line = lineThat([])
  await sayLastWords(line, [])
  expect(line.said).toEqual([])
})

test('that Redis refuses or cannot take any more are an error', async () => {
  await expect(sayLastWords(lineThat(['OOM']), WORDS)).rejects.toThrow('Redis refuses the last messages: OOM')
  await expect(sayLastWords(lineThat([new Error('the connection was lost')]), WORDS)).rejects.toThrow('was lost')
})
