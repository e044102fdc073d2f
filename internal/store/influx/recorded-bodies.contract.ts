import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linesOf, type RecordedServer, recordedWrites } from '../../../test/support/recorded-influx.ts'
import type { OpenStore } from '../store.contract.ts'
import type { WriteResult } from '../store.ts'
import { batchOfLines } from './lines.contract.ts'

/** A case that 2.7 and 1.6 answer with 204. Our lines always have a time. */
const WITHOUT_TIME = 'no timestamp'

/**
 * Sends the recorded bodies through the writer to a live server of the same kind. The writer must reject as many lines as the server
 * refused in the recording, and the server must then store the same values.
 *
 * @param open called once; the bucket must be empty and keep everything
 */
export function recordedBodiesContract(server: RecordedServer, open: () => Promise<OpenStore>): void {
  describe(`the recorded bodies, live: ${server}`, () => {
    let store: OpenStore
    beforeAll(async () => {
      store = await open()
    })
    afterAll(async () => {
      await store?.close()
    })

    const write = async (lines: readonly string[]): Promise<WriteResult> => {
      const bytes = lines.map((line) => Buffer.from(line.slice(0, -1), 'latin1'))
      return store.writer.write(batchOfLines(bytes), new AbortController().signal)
    }

    const cases = recordedWrites.filter(({ case: name }) => name !== WITHOUT_TIME)
    it.each(cases.map((record) => [record.case, record] as const))('%s', async (name, record) => {
      const before = record.written_before
      if (before !== null) {
        expect(await write(linesOf({ case: '', body: before }))).toEqual({ next: 'ack', rejected: [] })
      }
      const { status, body = '', stored } = record.answers[server]
      const result = await write(linesOf(record))
      if (result.next !== 'ack') throw new Error(result.problem)
      const dropped = Number(/dropped=(\d+)/.exec(body)?.[1] ?? 0)
      const refused = status === 204 ? 0 : dropped + body.split("unable to parse '").length - 1
      expect(result.rejected.map(({ index }) => index)).toHaveLength(refused)
      for (const { line, refusal } of result.rejected) {
        expect(linesOf(record).map((text) => Buffer.from(text, 'latin1').toString().trimEnd())).toContain(
          line.trimEnd(),
        )
        expect(refusal.detail).not.toBe('')
      }
      const measurement =
        name === 'measurement with comma and space escaped' ? 'm65x,x y' : (/m\d\dx/.exec(record.body)?.[0] ?? 'none')
      const values = await Promise.all(['v', 'w'].map((field) => store.texts(measurement, field)))
      // For one bad line the server stored nothing, and the writer sent the good ones again.
      const own = (line: string): boolean => line.startsWith(measurement)
      const good = linesOf(record).filter(own).length - result.rejected.filter(({ line }) => own(line)).length
      const points = status === 400 && stored.points === 0 ? good : stored.points
      expect(Math.max(...values.map(({ length }) => length))).toBe(points)
    })
  })
}
