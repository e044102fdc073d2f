import pino from 'pino'
import { expect, test } from 'vitest'
import { LogThrottle } from '../observe/log-throttle.ts'
import { ServerLedger } from '../sample/ledger.ts'
import { deferred } from '../time/deferred.ts'
import { Rejects } from './rejects.ts'

test('a call at the moment in which the letters are written is answered after the earlier ones', async () => {
  const written = deferred<void>()
  const rejects = new Rejects({
    ledger: new ServerLedger(),
    clock: { now: () => 0 },
    throttle: new LogThrottle(pino({ level: 'silent' })),
    deadLetters: { add: () => {}, written: () => written.promise },
  })
  const answered: number[] = []
  rejects.message({ reason: 'not_a_message', detail: '' }, 1, '', Buffer.from('x'))
  rejects.whenKept(() => answered.push(1))
  const last = written.promise.then(
    () =>
      new Promise<void>((resolve) => {
        rejects.whenKept(() => {
          answered.push(2)
          resolve()
        })
      }),
  )
  written.resolve()
  await last
  expect(answered).toEqual([1, 2])
  rejects.whenKept(() => answered.push(3))
  await Promise.resolve()
  await Promise.resolve()
  expect(answered).toEqual([1, 2, 3])
})
