import { describe, expect, test } from 'vitest'
import { NoTurn, Turns } from './turns.ts'

const never = new AbortController().signal

/** Something that runs until it is ended. */
function work() {
  let end: (text: string) => void = () => {}
  const ended = new Promise<string>((resolve) => {
    end = resolve
  })
  return { run: () => ended, end: (text: string) => end(text) }
}

describe('turns', () => {
  test('of one kind come one after the other, of different kinds at the same time', async () => {
    const turns = new Turns({ maxWaiting: 4, maxWaitMs: 1_000 })
    const [first, second, other] = [work(), work(), work()]
    const order: string[] = []
    const one = turns.take('cpu', 10, never, first.run).then((text) => order.push(text))
    const two = turns.take('cpu', 10, never, second.run).then((text) => order.push(text))
    const three = turns.take('heap', 10, never, other.run).then((text) => order.push(text))
    other.end('other')
    await three
    second.end('second')
    first.end('first')
    await Promise.all([one, two])
    expect(order).toEqual(['other', 'first', 'second'])
  })

  test('are refused where too many wait, of whatever kind, and where the wait is too long', async () => {
    const turns = new Turns({ maxWaiting: 1, maxWaitMs: 30_000 })
    const [long, short] = [work(), work()]
    const running = [turns.take('cpu', 600_000, never, long.run), turns.take('heap', 20_000, never, short.run)]
    const tooLong = await turns.take('cpu', 1, never, long.run).catch((error: unknown) => error)
    expect(tooLong).toBeInstanceOf(NoTurn)
    expect((tooLong as NoTurn).remainingMs).toBeGreaterThan(500_000)
    const waits = turns.take('heap', 5_000, never, short.run)
    await expect(turns.take('heap', 1, never, short.run)).rejects.toBeInstanceOf(NoTurn)
    long.end('')
    short.end('')
    await Promise.all([...running, waits])
    await expect(turns.take('cpu', 600_000, never, async () => 'free again')).resolves.toBe('free again')
  })

  test('are given up by those who leave, and the next one moves up', async () => {
    const turns = new Turns({ maxWaiting: 2, maxWaitMs: 30_000 })
    const [first, third] = [work(), work()]
    const leaver = new AbortController()
    const one = turns.take('cpu', 1, never, first.run)
    const two = turns.take('cpu', 1, leaver.signal, async () => 'never')
    const three = turns.take('cpu', 1, never, third.run)
    leaver.abort()
    await expect(two).rejects.toThrow('aborted')
    const four = turns.take('cpu', 1, never, async () => 'four')
    first.end('one')
    third.end('three')
    expect(await Promise.all([one, three, four])).toEqual(['one', 'three', 'four'])
  })

  test('come although the one before failed', async () => {
    const turns = new Turns({ maxWaiting: 1, maxWaitMs: 1_000 })
    const failing = turns.take('cpu', 1, never, () => Promise.reject(new Error('broken')))
    const next = turns.take('cpu', 1, never, async () => 'well')
    await expect(failing).rejects.toThrow('broken')
    expect(await next).toBe('well')
  })

  test('are not for a client that has left already', async () => {
    const turns = new Turns({ maxWaiting: 1, maxWaitMs: 1_000 })
    await expect(turns.take('cpu', 1, AbortSignal.abort(new Error('gone')), async () => '')).rejects.toThrow('gone')
    expect(await turns.take('cpu', 1, never, async () => 'free')).toBe('free')
  })
})
