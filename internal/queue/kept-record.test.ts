import fc from 'fast-check'
import { expect, it } from 'vitest'
import { headOf, parseKept } from './kept-record.ts'

it('a record on disk is read as it was written', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z][0-9a-z]{3,19}$/),
      fc.nat(Number.MAX_SAFE_INTEGER),
      fc.nat(Number.MAX_SAFE_INTEGER),
      fc.uint8Array(),
      (epoch, number, takenAtMs, bytes) => {
        const payload = Buffer.from(bytes)
        const record = Buffer.concat([headOf({ epoch, number, takenAtMs }), payload])
        expect(parseKept(record)).toEqual({ epoch, number, takenAtMs, payload })
      },
    ),
  )
})

it.each([0, 1, 5, 20])('a record that is cut after %d bytes is none', (bytes) => {
  expect(parseKept(headOf({ epoch: 'kabc', number: 1, takenAtMs: 1 }).subarray(0, bytes))).toBeUndefined()
})
