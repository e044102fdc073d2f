import { expect, test } from 'vitest'
import { sendEndMarkers } from './end-markers.ts'
import type { LineListener } from './redis-line.ts'

/** A Redis that answers each write with the numbers of receivers, with an error, or by closing the connection. */
function lineThat(answers: ReadonlyArray<readonly number[] | Error | string>) {
  let listener: LineListener | undefined
  const written: string[] = []
  return {
    written,
    listen(next: LineListener) {
      listener = next
    },
    write(bytes: Buffer) {
      const answer = answers[written.length]!
      written.push(bytes.toString())
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

const MARKERS = [Buffer.from('a'), Buffer.from('b')]

test('end markers are sent again until a server receives each', async () => {
  const line = lineThat([
    [1, 0],
    [0, 1],
    [1, 1],
  ])
  await sendEndMarkers(line, MARKERS)
  expect(line.written).toEqual(['ab', 'ab', 'ab'])
})

test('formats without end markers send nothing', async () => {
  const line = lineThat([])
  await sendEndMarkers(line, [])
  expect(line.written).toEqual([])
})

test('end markers that Redis refuses or cannot take are an error', async () => {
  await expect(sendEndMarkers(lineThat(['OOM']), MARKERS)).rejects.toThrow('Redis refuses the end markers: OOM')
  await expect(sendEndMarkers(lineThat([new Error('the connection was lost')]), MARKERS)).rejects.toThrow('was lost')
})
