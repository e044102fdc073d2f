import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Releaser } from './releaser.ts'

const silent = pino({ level: 'silent' })
const PLENTY_MS = 60_000

function setUp() {
  const done: string[] = []
  const releaser = new Releaser(silent)
  const note = (name: string) => (): void => {
    done.push(name)
  }
  return { done, releaser, note }
}

test('runs undos one after the other, the last pushed first', async () => {
  const { done, releaser, note } = setUp()
  releaser.push('store', note('store'))
  releaser.push('pipeline', async () => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    done.push('pipeline')
  })
  releaser.push('intake', note('intake'))
  await releaser.release(PLENTY_MS)
  expect(done).toEqual(['intake', 'pipeline', 'store'])
})

test('runs every undo even when some fail, and reports all failures', async () => {
  const { done, releaser, note } = setUp()
  releaser.push('store', note('store'))
  releaser.push('pipeline', () => Promise.reject(new Error('disk full')))
  releaser.push('intake', () => {
    throw new Error('no such channel')
  })
  const failure = await releaser.release(PLENTY_MS).catch((error: unknown) => error)
  expect(done).toEqual(['store'])
  expect(failure).toBeInstanceOf(AggregateError)
  expect((failure as AggregateError).message).toBe('stopping intake: no such channel; stopping pipeline: disk full')
  expect((failure as AggregateError).errors[1].cause.message).toBe('disk full')
})

test('releases once, however often it is called', async () => {
  const { done, releaser, note } = setUp()
  releaser.push('store', note('store'))
  const first = releaser.release(PLENTY_MS)
  expect(releaser.release(1)).toBe(first)
  await first
  expect(done).toEqual(['store'])
})

test('abandons an undo that hangs, and runs the rest within the deadline', async () => {
  const { done, releaser, note } = setUp()
  let toldToHurry = false
  releaser.push('store', note('store'))
  releaser.push('pipeline', (signal) => {
    signal.addEventListener('abort', () => {
      toldToHurry = true
    })
    return new Promise(() => {})
  })
  await expect(releaser.release(50)).rejects.toThrow(/^stopping pipeline: not done after \d+ ms, abandoned$/)
  expect(done).toEqual(['store'])
  expect(toldToHurry).toBe(true)
})

test('an undo that ends at the signal is not a failure', async () => {
  const { done, releaser } = setUp()
  releaser.push('pipeline', async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    done.push('gave up')
  })
  await releaser.release(50)
  expect(done).toEqual(['gave up'])
})

test('runs an undo that is pushed during the release', async () => {
  const { done, releaser, note } = setUp()
  releaser.push('store', note('store'))
  releaser.push('start', () => {
    releaser.push('late', note('late'))
  })
  await releaser.release(PLENTY_MS)
  expect(done).toEqual(['late', 'store'])
})

test('runs an undo that is pushed after the release immediately, and throws', async () => {
  const { done, releaser, note } = setUp()
  await releaser.release(PLENTY_MS)
  expect(() => releaser.push('late', note('late'))).toThrow('late was opened after the stop')
  expect(done).toEqual(['late'])
})
