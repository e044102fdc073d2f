import { afterAll, describe, expect, it } from 'vitest'
import { Random } from '../support/random.ts'
import { decoderTargets } from './decoders.ts'
import { spoolTargets } from './spool.ts'

const SEED = 1
const FILES = 60

/** A sample of what `npm run fuzz` does a million times. */
describe('damaged input', async () => {
  const targets = [...decoderTargets(), ...(await spoolTargets())]
  afterAll(async () => {
    for (const target of targets) await target.close?.()
  })

  it.each(targets)('does no harm: $name', async (target) => {
    const inputs = target.name === 'spool, a folder' ? FILES : 3000
    let good = 0
    for (let input = 0; input < inputs; input++) {
      const random = new Random(SEED, input)
      const bytes = target.make(random)
      if (await target.take(bytes, random)) good++
    }
    await target.check()
    // Some inputs are damaged so little that they can be used. Without any, the test would prove nothing.
    expect(good).toBeGreaterThan(0)
  })
})
