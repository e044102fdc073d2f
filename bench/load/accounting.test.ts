import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MessageDecoder } from '../../internal/codec/detect.ts'
import { LossTracker } from '../../internal/ingest/loss/loss.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { writerOf } from './writers.ts'

const SAMPLES = 3

test('a server counts all frames that are lost on the way, and none that no server received', () => {
  const fate = fc.constantFrom('received', 'received', 'lost', 'unreceived')
  fc.assert(
    fc.property(fc.array(fate, { maxLength: 60 }), (fates) => {
      const broker = { kind: 'pubsub', topic: 'telemetry', partitions: 1 } as const
      const options = {
        broker,
        format: 'frame',
        workers: 1,
        hosts: 0,
        samplesPerMessage: SAMPLES,
        values: 'walk',
      } as const
      const writer = writerOf(options, 'bench', [0])
      const decoder = new MessageDecoder(new SeriesTable())
      const loss = new LossTracker()
      const out = Buffer.alloc(writer.maxBytes)
      let received = 0
      const arrive = (command: Buffer): void => {
        const message = command.subarray(command.indexOf('SSF'), command.length - 2)
        expect(decoder.decode(message, { receivedAt: 0, tie: 0 }, () => received++)).toBeUndefined()
        loss.observe(decoder.header)
      }
      for (const [n, how] of fates.entries()) {
        const end = writer.write(out, 0, 0, 1e15 + n)
        if (how === 'received') arrive(out.subarray(0, end))
      }
      const times = (how: string): number => fates.filter((one) => one === how).length
      const markers = writer.endMarkers(2e15, Uint32Array.of(times('unreceived')))
      // Twice, as the sender does when a server missed the marker of another worker.
      for (const marker of [...markers, ...markers]) arrive(marker)
      expect(received).toBe(SAMPLES * times('received'))
      expect(loss.lostSamples).toBe(SAMPLES * times('lost'))
      expect(loss.duplicateSamples).toBe(0)
    }),
  )
})
