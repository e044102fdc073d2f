import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../test/support/servers.ts'
import { type DeadLetter, type DeadLetters, openDeadLetters } from './dead-letters.ts'
import { doneMarksOf, readDoneMarks } from './done-marks.ts'
import { decodeLetter, encodeLetter } from './letter.ts'
import { markDone, readLetters, removeDone, type StoredLetter } from './reader.ts'

const logger = pino({ enabled: false })
const letter = (n: number, bytes = 100): DeadLetter => ({
  at: 1_763_900_000_000 + n,
  kind: 'message',
  reason: 'json_syntax',
  detail: `position ${n}`,
  source: 'web-01/agent/1',
  payload: Buffer.alloc(bytes, `letter ${n} `),
})

let folder: string
let open: DeadLetters[] = []
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-letters-'))
})
afterEach(async () => {
  for (const letters of open) await letters.close()
  open = []
  await rm(folder, { recursive: true })
})

async function opened(options: { lettersPerSecond?: number } = {}): Promise<DeadLetters> {
  const letters = await openDeadLetters({ folder, maxBytes: 1 << 20, logger, ...options })
  open.push(letters)
  return letters
}

async function stored(): Promise<StoredLetter[]> {
  const letters: StoredLetter[] = []
  for await (const one of readLetters({ path: folder })) letters.push(one)
  return letters
}

const ids = async (): Promise<number[]> => (await stored()).map(({ id }) => id)
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
const segments = async (): Promise<string[]> => (await readdir(folder)).filter((file) => file.endsWith('.seg')).sort()

const untilSegments = (files: string[]): Promise<void> =>
  until(`the files are ${files}`, async () => (await segments()).join() === files.join())

/** 64 KiB a file: ten letters of 7 KB. */
async function fill(letters: DeadLetters, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    letters.add(letter(n, 7000))
    await letters.written()
  }
}

describe('a letter as a record', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.record({
          at: fc.maxSafeInteger(),
          kind: fc.constantFrom('message' as const, 'line' as const),
          reason: fc.string(),
          detail: fc.string({ unit: 'grapheme' }),
          source: fc.string({ unit: 'grapheme' }),
          payload: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        }),
        (one) => {
          expect(decodeLetter(encodeLetter(one))).toEqual({ ...one, payloadBytes: one.payload.length })
        },
      ),
    )
  })

  it('is cut where it is too long, and says how long it was', () => {
    const kept = decodeLetter(encodeLetter({ ...letter(1), detail: 'd'.repeat(5000), payload: Buffer.alloc(9 << 20) }))
    expect(kept?.payload.length).toBe(8 << 20)
    expect(kept?.payloadBytes).toBe(9 << 20)
    expect(kept?.detail).toBe(`${'d'.repeat(1000)}…`)
  })

  it('may be text', () => {
    const kept = decodeLetter(encodeLetter({ ...letter(1), kind: 'line', payload: 'température,host=é v=1' }))
    expect(kept?.payload.toString()).toBe('température,host=é v=1')
  })

  it('is not made of anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeLetter(Buffer.from(bytes))).toBeUndefined()
      }),
    )
    for (const header of ['null', '{}', '[1]', '{"at":1,"kind":"other","reason":"","detail":"","source":""}']) {
      const bytes = Buffer.concat([Buffer.from([header.length, 0, 0, 0]), Buffer.from(header)])
      expect(decodeLetter(bytes)).toBeUndefined()
    }
  })
})

describe('dead letters', () => {
  it('are read beside the one who writes them', async () => {
    expect(await stored()).toEqual([])
    const letters = await opened()
    letters.add(letter(0))
    letters.add({ ...letter(1), kind: 'line', payload: 'cpu,host=a v=1 1' })
    await letters.written()
    expect(await stored()).toMatchObject([
      { id: 0, kind: 'message', reason: 'json_syntax', detail: 'position 0', payloadBytes: 100 },
      { id: 1, kind: 'line', payload: Buffer.from('cpu,host=a v=1 1') },
    ])
    letters.add(letter(2))
    await letters.close()
    expect([letters.kept, letters.discarded]).toEqual([3, 0])
    const again = await opened()
    again.add(letter(3))
    await again.written()
    expect(await ids()).toEqual([0, 1, 2, 3])
  })

  it('need no folder to be looked for', async () => {
    const found: StoredLetter[] = []
    for await (const one of readLetters({ path: join(folder, 'nowhere') })) found.push(one)
    expect(found).toEqual([])
  })

  it('make room at the bound, the oldest first, and count what goes', async () => {
    const letters = await opened()
    await fill(letters, 0, 300)
    expect(letters.bytes).toBeLessThanOrEqual(1 << 20)
    expect(letters.kept).toBe(300)
    expect(letters.discarded).toBeGreaterThan(100)
    await until('their files are gone', async () => (await ids())[0]! === letters.discarded)
    expect(await ids()).toEqual(range(letters.discarded, 300))
  })

  it('make room at a smaller bound, once others come', async () => {
    const letters = await opened()
    await fill(letters, 0, 30)
    letters.setMaxBytes(100_000)
    expect(letters.discarded).toBe(0)
    await fill(letters, 30, 31)
    expect(letters.bytes).toBeLessThanOrEqual(100_000)
    await until('their files are gone', async () => (await ids()).length + letters.discarded === 31)
  })

  it('that do not fit into memory while the disk is behind are counted', async () => {
    const letters = await opened()
    for (let n = 0; n < 100; n++) letters.add(letter(n, 7000))
    expect(letters.kept + letters.discarded).toBe(100)
    expect(letters.kept).toBe(36)
    await letters.written()
    expect((await ids()).length).toBe(36)
  })

  it('in a flood are kept at a rate', async () => {
    const startMs = performance.now()
    const letters = await opened({ lettersPerSecond: 10 })
    for (let n = 0; n < 1000; n++) letters.add(letter(n, 0))
    const seconds = (performance.now() - startMs) / 1000
    expect(letters.kept + letters.discarded).toBe(1000)
    expect(letters.kept).toBeGreaterThanOrEqual(10)
    expect(letters.kept).toBeLessThanOrEqual(10 + 10 * seconds)
  })

  it('are closed into a folder that cannot be written, and counted as not kept', async () => {
    await writeFile(join(folder, 'file'), '')
    const letters = await openDeadLetters({ folder: join(folder, 'file', 'letters'), maxBytes: 1 << 20, logger })
    letters.add(letter(0))
    await letters.written()
    expect(letters.problem).toContain('a part of the path is a file')
    await letters.close()
    expect([letters.kept, letters.discarded]).toEqual([0, 1])
  })
})

describe('letters that somebody is done with', () => {
  it('are not read again, and go with their file, which their server removes', async () => {
    const letters = await opened()
    await fill(letters, 0, 40)
    const all = await stored()
    await markDone(all.filter(({ id }) => id % 2 === 0 || id < 15))
    expect(await ids()).toEqual(range(15, 40).filter((id) => id % 2 === 1))
    const before = await segments()
    await letters.tidy()
    await untilSegments(before.slice(1))
    await markDone(all)
    await letters.tidy()
    // The newest is still written to.
    await untilSegments(before.slice(-1))
    await letters.tidy()
    expect([letters.kept, letters.discarded]).toEqual([40, 0])
    expect((await readdir(folder)).filter((file) => file.endsWith('.done')).length).toBe(1)
    await fill(letters, 40, 60)
    expect(await ids()).toEqual(range(40, 60))
  })

  it('go with the next start of a server that did not run, or by hand before', async () => {
    await (await fillAndClose(40)).close()
    await markDone(await stored())
    await removeDone(folder)
    expect((await segments()).length).toBe(1)
    expect(await ids()).toEqual([])
    const letters = await opened()
    await untilSegments([])
    letters.add(letter(40))
    await letters.written()
    expect(await ids()).toEqual([40])
  })

  it('do not count as discarded when they make room', async () => {
    const letters = await opened()
    await fill(letters, 0, 20)
    await markDone((await stored()).slice(0, 4))
    await letters.tidy()
    for (let n = 20; letters.discarded === 0; n++) await fill(letters, n, n + 1)
    expect(letters.discarded).toBe(6)
  })

  it('are marked by several at once, and a mark that was cut short spoils no other', async () => {
    await (await fillAndClose(3)).close()
    const [first, second, third] = await stored()
    await Promise.all([first!, second!].map((one) => markDone([one])))
    await appendFile(doneMarksOf(third!.segmentPath), '\n+2')
    expect(await readDoneMarks(third!.segmentPath)).toEqual(new Set([0, 1]))
    await markDone([first!])
    expect(await readDoneMarks(third!.segmentPath)).toEqual(new Set([0, 1, 2]))
  })

  async function fillAndClose(count: number): Promise<DeadLetters> {
    const letters = await opened()
    await fill(letters, 0, count)
    await letters.close()
    return letters
  }
})

describe('dead letters that are damaged on disk', () => {
  const damagedOf = async (hasServer = async () => false): Promise<number[]> => {
    const damaged: number[] = []
    for await (const _ of readLetters({ path: folder, hasServer }, ({ letters }) => damaged.push(letters)));
    return damaged
  }
  const flip =
    (from: number) =>
    async (path: string): Promise<void> => {
      const bytes = await readFile(path)
      bytes.fill(0xff, from, from + 50)
      await writeFile(path, bytes)
    }

  it.each<[string, (path: string) => Promise<void>, number]>([
    ['bits are flipped in one', flip(8000), 1],
    ['bits are flipped in the last', flip(63_500), 1],
    ['the file is cut off', (path) => truncate(path, 60_000), 1],
    ['the file has other bytes altogether', (path) => writeFile(path, Buffer.alloc(60_000, 'x')), 1],
    ['nothing happens', async () => {}, 0],
  ])('are counted: %s', async (_name, damage, count) => {
    const letters = await opened()
    await fill(letters, 0, 9)
    await letters.close()
    await damage(join(folder, (await segments())[0]!))
    expect(await damagedOf()).toEqual(count === 0 ? [] : [count])
    const next = await opened()
    expect(next.damaged).toBe(count)
  })

  it('are not counted once they are done', async () => {
    const letters = await opened()
    await fill(letters, 0, 9)
    await letters.close()
    const all = await stored()
    await markDone(all.slice(0, 3))
    await flip(8000)(join(folder, (await segments())[0]!))
    expect(await damagedOf()).toEqual([])
  })

  describe('a write that rests in the middle of a letter', () => {
    const always = async (): Promise<boolean> => true
    const never = async (): Promise<boolean> => false
    const starting = (): (() => Promise<boolean>) => {
      let asked = 0
      return async () => asked++ > 0
    }
    const ending = (): (() => Promise<boolean>) => {
      let asked = 0
      return async () => asked++ === 0
    }

    // A letter of 7 KB has about 40 bytes of a header.
    it.each<[string, number, () => Promise<boolean>, number[]]>([
      ['is no damage while a server runs: in the payload', 3000, always, []],
      ['is no damage while a server runs: in the header', 7010, always, []],
      ['is no damage by a server that starts meanwhile', 3000, starting(), []],
      ['is no damage by a server that stops meanwhile', 3000, ending(), []],
      ['is damage once no server runs: in the payload', 3000, never, [1]],
      ['is damage once no server runs: in the header', 7010, never, [1]],
    ])('%s', async (_name, missingBytes, hasServer, damaged) => {
      const letters = await opened()
      await fill(letters, 0, 5)
      await letters.close()
      const path = join(folder, (await segments())[0]!)
      await truncate(path, (await stat(path)).size - missingBytes)
      expect(await damagedOf(hasServer)).toEqual(damaged)
    })

    it('is damage in a file that is not the newest', async () => {
      for (const from of [0, 5]) {
        const letters = await opened()
        await fill(letters, from, from + 5)
        await letters.close()
      }
      const path = join(folder, (await segments())[0]!)
      await truncate(path, (await stat(path)).size - 3000)
      expect(await damagedOf(always)).toEqual([1])
    })

    it('is none in a file that is written to meanwhile', async () => {
      const letters = await opened()
      const writing = fill(letters, 0, 40)
      for (let i = 0; i < 20; i++) expect(await damagedOf(always)).toEqual([])
      await writing
      expect(letters.damaged).toBe(0)
    })
  })
})
