import { describe, expect, it } from 'vitest'
import { type Asked, AWAY, ScriptedStore, STORED } from '../../test/support/scripted-store.ts'
import { until } from '../../test/support/servers.ts'
import type { WriteResult } from '../store/store.ts'
import type { StoredLetter } from './reader.ts'
import { LetterReplay } from './replay.ts'

const NOW_MS = 1_763_900_000_000
const REFUSAL = { reason: 'store_refused', detail: 'no' } as const

function lines(id: number, ...values: number[]): StoredLetter {
  return letter(id, 'line', values.map((value) => `m,host=a v=${value} ${NOW_MS}000000`).join('\n'))
}

function letter(id: number, kind: StoredLetter['kind'], content: string | Buffer): StoredLetter {
  const payload = Buffer.from(content)
  return {
    id,
    name: `${id}`,
    kind,
    at: NOW_MS,
    reason: 'r',
    detail: '',
    source: '',
    payload,
    payloadBytes: payload.length,
    segmentPath: '',
  }
}

/** Replays letters into a store that gives these answers in turn, and repeats the last. */
async function replay(
  letters: readonly StoredLetter[],
  answers: ReadonlyArray<WriteResult | ((asked: Asked) => WriteResult)> = [STORED],
): Promise<{ stored: number[]; refused: Array<[id: number, reason: string]>; writes: number[][]; samples: number }> {
  const store = new ScriptedStore()
  const writes: number[][] = []
  const stored: number[] = []
  const refused: Array<[number, string]> = []
  let isOver = false
  const answering = (async () => {
    while (!isOver) {
      await until('the store is asked', () => isOver || store.asked.length > 0)
      const asked = store.asked.shift()
      if (asked === undefined) continue
      const answer = answers[Math.min(writes.length, answers.length - 1)]!
      writes.push([...asked.values])
      asked.answer(typeof answer === 'function' ? answer(asked) : answer)
    }
  })()
  const work = new LetterReplay({
    writer: store,
    clock: { now: () => NOW_MS * 1000 },
    timeWindow: { maxAgeUs: 86_400e6, maxFutureUs: 60e6 },
    maxSeries: 100,
    onStored: async (done) => void stored.push(...done.map(({ id }) => id)),
    onRefused: ({ id }, { reason }) => void refused.push([id, reason]),
    signal: new AbortController().signal,
  })
  try {
    for (const one of letters) await work.add(one)
    await work.finish()
  } finally {
    isOver = true
    await answering
    expect(store.openBatches, 'batches that nobody gave back').toBeLessThanOrEqual(1)
  }
  return { stored, refused, writes, samples: work.samples }
}

describe('LetterReplay', () => {
  it('writes lines and messages, and is done with a letter once all its samples are stored', async () => {
    const message = letter(1, 'message', '{"cpu_usage":7,"mem_usage":8}')
    const { stored, refused, writes, samples } = await replay([lines(0, 1, 2), message, lines(2, 3, 4, 5, 6)])
    expect(writes).toEqual([[1, 2, 7], [3, 4, 5], [6]])
    expect([stored, refused, samples]).toEqual([[0, 1, 2], [], 7])
  })

  it('leaves a letter of which the store refuses a sample, and writes the rest of it', async () => {
    const reject = { next: 'ack', rejected: [{ index: 1, line: '', refusal: REFUSAL }] } as const
    const { stored, refused, samples } = await replay([lines(0, 1), lines(1, 2, 3, 4), lines(2, 5)], [reject, STORED])
    expect([stored, refused, samples]).toEqual([[0, 2], [[1, 'store_refused']], 4])
  })

  it('leaves all letters of a batch in which the store refuses something and does not say what', async () => {
    const reject = { next: 'ack', rejected: [{ index: -1, line: '', refusal: REFUSAL }] } as const
    const { stored, refused } = await replay([lines(0, 1), lines(1, 2), lines(2, 3), lines(3, 4)], [reject, STORED])
    expect(stored).toEqual([3])
    expect(refused.map(([id]) => id)).toEqual([0, 1, 2])
  })

  const unreadable: Array<[string, StoredLetter, string]> = [
    ['a message that is none', letter(0, 'message', 'rubbish'), 'not_a_message'],
    ['what a source could not read', letter(0, 'text', 'm v=1'), 'row_syntax'],
    ['a line that is none', letter(0, 'line', 'm,host=a'), 'line_syntax'],
    ['an empty line', letter(0, 'line', ''), 'line_syntax'],
    ['a name that no store takes', letter(0, 'line', `m,${'k'.repeat(300)}=1 v=1`), 'bad_name'],
    ['a time beyond the bounds', letter(0, 'line', 'm v=1 1'), 'time_too_old'],
    [
      'a list of readings of which one is bad',
      letter(0, 'message', '[{"metric":"DCGM_FI_DEV_GPU_UTIL","uuid":"G","value":"x"}]'),
      'not_a_number',
    ],
    ['a value that the batch refuses', lines(0, -1), 'no_fields'],
    ['a sample larger than a batch', letter(0, 'line', 'm v="text"'), 'no_fields'],
    ['a payload that was cut', { ...lines(0, 1), payloadBytes: 1e7 }, 'too_large'],
  ]
  it.each(unreadable)('leaves %s', async (_name, one, reason) => {
    const { stored, refused } = await replay([one, lines(1, 1)])
    expect([stored, refused]).toEqual([[1], [[0, reason]]])
  })

  it('lets the store judge fields that were of another kind in another letter', async () => {
    const { stored } = await replay([lines(0, 1), letter(1, 'line', `m,host=a v=2i ${NOW_MS}000000`)])
    expect(stored).toEqual([0, 1])
  })

  it('gives a line without a time that of the letter', async () => {
    const { stored } = await replay([letter(0, 'line', 'm v=1')])
    expect(stored).toEqual([0])
  })

  it('tries again a store that is away for a moment', async () => {
    const { stored, writes } = await replay([lines(0, 1)], [{ ...AWAY, afterMs: 1 }, STORED])
    expect([stored, writes.length]).toEqual([[0], 2])
  })

  it('ends where the store takes nothing, and is done with what it took before', async () => {
    await expect(replay([lines(0, 1)], [{ ...AWAY, afterMs: 1 }])).rejects.toThrow('connection refused')
    await expect(replay([lines(0, 1)], [{ next: 'wait', problem: 'no token' }])).rejects.toThrow('no token')
  })
})
