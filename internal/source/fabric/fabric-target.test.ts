import { expect, it } from 'vitest'
import { Target } from '../target.ts'
import { FabricTarget } from './fabric-target.ts'

const clock = { now: () => 1_763_900_000_000_000 }
const never = new AbortController().signal

it('a table for which there is no memory is a failure of its target alone', async () => {
  let hasMemory = false
  const csv = Buffer.from(`switch_id,a\n${Array.from({ length: 6000 }, (_, i) => `sw${i},1\n`).join('')}`)
  const target = new Target({
    name: 'a',
    place: {
      read: async (body) => {
        body.begin(csv.length)
        body.add(csv)
        return 'read'
      },
      taken: () => {},
      close: () => {},
    },
    ...{ intervalMs: 10_000, timeoutMs: 1000, maxBodyBytes: 1_000_000, nowMs: () => nowMs },
  })
  let nowMs = 0
  const fabricTarget = new FabricTarget(target, {
    pause: async () => {
      if (!hasMemory) throw new RangeError('Array buffer allocation failed')
    },
  })
  expect(await fabricTarget.read(clock, never)).toBeUndefined()
  expect([target.up, target.error?.message, fabricTarget.failures.get('unreachable'), fabricTarget.head]).toEqual([
    ...[false, 'it cannot be read: Array buffer allocation failed', 1, undefined],
  ])
  ;[hasMemory, nowMs] = [true, 60_000]
  const reading = await fabricTarget.read(clock, never)
  expect([reading?.table.snapshot.rows, target.up, fabricTarget.rows]).toEqual([6000, true, 6000])
})
