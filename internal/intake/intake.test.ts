import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { frameCodec } from '../codec/frame.ts'
import { blankHeader, type Encoder } from '../codec/codec.ts'
import { type Durable, NotDurableError } from '../publish/message.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable, seriesApart } from '../sample/series.ts'
import { type Deferred, deferred } from '../time/deferred.ts'
import type { KeptBy } from './errors.ts'
import { Intake } from './intake.ts'

/** A publisher whose messages become durable when the test says so. */
class SlowPublisher {
  readonly messages: Array<{ readonly values: number[]; readonly bytes: number; readonly durable: Deferred<Durable> }> =
    []
  get pendingBytes(): number {
    return this.messages.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  sendDurably(encoder: Pick<Encoder, 'finish'>): Promise<Durable> {
    const frame = encoder.finish(blankHeader())
    const values: number[] = []
    frameCodec.decoder(new SeriesTable()).decode(frame, { receivedAt: 0, tie: 0 }, (sample) => values.push(sample.at))
    const durable = deferred<Durable>()
    this.messages.push({ values, bytes: frame.length, durable })
    return durable.promise
  }
}

const series = seriesApart('m', [['host', 'a']])
series.field('n', 'float')
series.field('text', 'string')

function samples(...times: number[]): Sample[] {
  return times.map((at) => ({ series, values: [at, undefined], at, tie: 0 }))
}

function start(maxHeldBytes = 1e9): { publisher: SlowPublisher; intake: Intake } {
  const publisher = new SlowPublisher()
  return {
    publisher,
    intake: new Intake({ publisher, encoder: frameCodec.encoder(), maxHeldBytes: () => maxHeldBytes }),
  }
}

const values = ({ messages }: SlowPublisher): number[][] => messages.map((message) => message.values)

describe('Intake', () => {
  it('answers once the message of a request is durable, and says by what', async () => {
    const { publisher, intake } = start()
    const answers: unknown[] = []
    for (const by of ['broker', 'disk', new NotDurableError('no')] as const) {
      const answer = intake.take(samples(1, 2)).catch((error: unknown) => error)
      void answer.then((result) => answers.push(result))
      await expect.poll(() => publisher.messages.length).toBeGreaterThan(answers.length)
      const before = answers.length
      await turn()
      expect(answers).toHaveLength(before)
      const { durable } = publisher.messages.at(-1)!
      if (by instanceof Error) durable.reject(by)
      else durable.resolve(by)
      await answer
    }
    expect(answers).toEqual(['redis', 'disk', expect.objectContaining({ kind: 'not_durable' })])
  })

  it('gathers the requests of one turn, and those that come while a message is under way', async () => {
    const { publisher, intake } = start()
    void intake.take(samples(1))
    void intake.take(samples(2))
    await turn()
    await turn()
    expect(values(publisher)).toEqual([[1, 2]])
    void intake.take(samples(3))
    void intake.take(samples(4))
    publisher.messages[0]!.durable.resolve('broker')
    await expect
      .poll(() => values(publisher))
      .toEqual([
        [1, 2],
        [3, 4],
      ])
    // Nobody answers the second one: what comes leaves nevertheless.
    void intake.take(samples(5))
    await expect.poll(() => values(publisher)).toEqual([[1, 2], [3, 4], [5]])
  })

  it('splits a large request, and answers when all its messages are durable', async () => {
    const { publisher, intake } = start()
    const text = 'x'.repeat(60_000)
    const large = Array.from({ length: 30 }, (_, at): Sample => ({ series, values: [at, text], at, tie: 0 }))
    let answer: KeptBy | undefined
    void intake.take(large).then((by) => (answer = by))
    await expect.poll(() => publisher.messages.length).toBeGreaterThan(2)
    await expect.poll(() => values(publisher).flat()).toEqual(large.map(({ at }) => at))
    for (const [i, { durable, bytes }] of publisher.messages.entries()) {
      expect(answer).toBeUndefined()
      expect(bytes).toBeLessThan(600_000)
      durable.resolve(i === 1 ? 'disk' : 'broker')
      await turn()
    }
    await expect.poll(() => answer).toBe('disk')
  })

  it('never has more waiting than it may, and takes all of a request or nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }), async (sizes) => {
        const { publisher, intake } = start(4000)
        const taken: number[] = []
        let next = 0
        for (const size of sizes) {
          const mine = Array.from({ length: size }, () => next++)
          const answer = intake.take(samples(...mine))
          const isFull = await Promise.race([
            answer.then(
              () => false,
              () => true,
            ),
            turn(false),
          ])
          if (!isFull) taken.push(...mine)
          expect(intake.heldBytes).toBeLessThanOrEqual(4000)
        }
        intake.flush()
        expect(values(publisher).flat()).toEqual(taken)
      }),
      { numRuns: 100 },
    )
  })

  it('refuses with "full" while nothing leaves, and takes again when there is room', async () => {
    const { publisher, intake } = start(150)
    void intake.take(samples(1, 2))
    intake.flush()
    await expect(intake.take(samples(3, 4))).rejects.toMatchObject({ name: 'IntakeError', kind: 'full' })
    publisher.messages.length = 0
    void intake.take(samples(3, 4))
    intake.flush()
    expect(values(publisher)).toEqual([[3, 4]])
  })
})
