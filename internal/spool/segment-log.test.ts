import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/support/servers.ts'
import { type Files, realFiles } from './files.ts'
import { type LogRecord, openSegmentLog, type SegmentLog, type SegmentLogOptions } from './segment-log.ts'

const logger = pino({ enabled: false })
const folders: string[] = []

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-log-'))
  folders.push(folder)
  return folder
}

const openLog = (folder: string, options: Partial<SegmentLogOptions> = {}): Promise<SegmentLog> =>
  openSegmentLog({ folder, maxBytes: 1 << 20, segmentBytes: 2000, logger, ...options })

async function readAll(log: SegmentLog): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for (let record = await log.next(); record !== undefined; record = await log.next()) records.push(record)
  return records
}

const segmentsOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((file) => file.endsWith('.seg')).sort()

/** A payload that contains the number of its record. */
function payload(number: number, bytes = 100): Buffer {
  return Buffer.alloc(bytes, `record ${number} `)
}

function appendSome(log: SegmentLog, count: number, bytes = 100): void {
  for (let i = 0; i < count; i++) log.append([payload(i, bytes)], i + 1)
}

/**
 * Does something as an ordinary user, because root can read every folder.
 *
 * @param folder becomes that user's
 */
async function asNobody(work: () => Promise<void>, folder?: string): Promise<void> {
  const nobody = 65_534
  if (process.getuid?.() !== 0) return work()
  if (folder !== undefined) await chown(folder, nobody, nobody)
  process.seteuid?.(nobody)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}

const numbers = (records: readonly LogRecord[]): number[] => records.map(({ number }) => number)
const sumOf = (records: ReadonlyArray<{ samples: number }>): number => records.reduce((sum, r) => sum + r.samples, 0)
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

describe('a segment log', () => {
  it('gives what was appended, from memory and from disk, in parts or whole', async () => {
    const folder = await emptyFolder()
    const log = await openLog(folder)
    expect(await log.next()).toBeUndefined()
    expect(log.append([Buffer.from('a'), Buffer.from('bc')], 3)).toBe(0)
    expect(await log.next()).toEqual({ number: 0, payload: Buffer.from('abc'), samples: 3 })
    expect(log.append([Buffer.alloc(0)], 0)).toBe(1)
    await log.written()
    expect(log.unwritten).toEqual({ records: 0, samples: 0 })
    expect(await log.next()).toEqual({ number: 1, payload: Buffer.alloc(0), samples: 0 })
    log.append([Buffer.from('a'), Buffer.from('bc')], 3)
    await log.written()
    expect(await log.next()).toEqual({ number: 2, payload: Buffer.from('abc'), samples: 3 })
    await log.close()
    const again = await openLog(folder)
    expect(await again.next()).toEqual({ number: 0, payload: Buffer.from('abc'), samples: 3 })
    await again.close()
  })

  it('goes on over restarts: numbers rise, committed records are gone, the rest is there', async () => {
    const folder = await emptyFolder()
    const first = await openLog(folder)
    appendSome(first, 50)
    first.commit(9)
    await first.close()

    const second = await openLog(folder)
    expect([second.records, second.samples]).toEqual([40, sumOf(range(10, 50).map((i) => ({ samples: i + 1 })))])
    expect(second.append([payload(50)], 51)).toBe(50)
    const records = await readAll(second)
    expect(numbers(records)).toEqual(range(10, 51))
    expect(records.every((record) => record.payload.equals(payload(record.number)))).toBe(true)
    second.commit(50)
    expect([second.records, second.samples, second.bytes]).toEqual([0, 0, 0])
    await second.close()

    const third = await openLog(folder)
    expect([third.records, await third.next(), third.append([payload(51)], 1)]).toEqual([0, undefined, 51])
    await third.close()
    expect(third.damaged).toEqual({ records: 0, samples: 0 })
  })

  it('removes the files whose records are all committed', async () => {
    const folder = await emptyFolder()
    const log = await openLog(folder)
    appendSome(log, 100)
    await log.written()
    const before = (await segmentsOf(folder)).length
    log.commit(60)
    await until('files are gone', async () => (await segmentsOf(folder)).length < before / 2)
    expect(numbers(await readAll(log))).toEqual(range(61, 100))
    log.commit(99)
    await log.close()
    expect((await segmentsOf(folder)).length).toBeLessThanOrEqual(1)
  })

  it('is full at its bound, until something is committed or dropped', async () => {
    const log = await openLog(await emptyFolder(), { maxBytes: 10_000, segmentBytes: 1000 })
    let accepted = 0
    while (log.append([payload(accepted)], 2) !== 'full') accepted++
    expect(log.bytes).toBeLessThanOrEqual(10_000)
    expect(log.bytes).toBeGreaterThan(9_500)
    await log.written()
    expect(log.append([payload(0)], 2)).toBe('full')
    const { records, samples } = log.dropOldest()!
    expect(samples).toBe(records * 2)
    expect([log.records, log.samples]).toEqual([accepted - records, 2 * (accepted - records)])
    expect((await log.next())?.number).toBe(records)
    expect(log.append([payload(0)], 2)).toBe(accepted)
    log.commit(accepted)
    expect(log.append([payload(0, 20_000)], 2), 'a record that is larger than the log').toBe(accepted + 1)
    await log.close()
  })

  it('is full when too much waits for the disk', async () => {
    const log = await openLog(await emptyFolder(), { maxUnwrittenBytes: 1000 })
    const answers = range(0, 20).map((i) => log.append([payload(i)], 1))
    expect(answers).toEqual([...range(0, 7), ...Array.from({ length: 13 }, () => 'full')])
    await log.written()
    expect(log.append([payload(7)], 1)).toBe(7)
    await log.close()
  })

  it('drops the oldest segment while it is read and written', async () => {
    const log = await openLog(await emptyFolder())
    appendSome(log, 100)
    await log.written()
    const reading = log.next()
    const dropped = log.dropOldest()!
    expect([undefined, dropped.records]).toContain((await reading)?.number)
    const rest = await readAll(log)
    expect(rest.at(-1)?.number).toBe(99)
    for (let loss = log.dropOldest(); loss !== undefined; loss = log.dropOldest());
    expect([log.records, log.samples, await log.next()]).toEqual([0, 0, undefined])
    expect(log.append([payload(100)], 1)).toBe(100)
    expect((await log.next())?.number).toBe(100)
    await log.close()
  })

  it('keeps order and count through any sequence of calls', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 60 }), async (operations) => {
        const scene = await Scene.open(await emptyFolder())
        for (const [name, figure] of operations) await scene[name](figure)
        await scene.finish()
      }),
      { numRuns: 60 },
    )
  })
})

type Action = 'append' | 'read' | 'commit' | 'drop' | 'write' | 'reopen' | 'damage'
const operation = fc.tuple(
  fc.oneof(
    ...(
      [
        ['append', 8],
        ['read', 6],
        ['commit', 3],
        ['drop', 1],
        ['write', 4],
        ['reopen', 2],
        ['damage', 2],
      ] as const
    ).map(([name, weight]) => ({ weight, arbitrary: fc.constant<Action>(name) })),
  ),
  fc.nat(9999),
)

/** A log and an array that models it. */
class Scene {
  readonly #folder: string
  #log: SegmentLog
  #held: LogRecord[] = []
  #next = 0
  #readFrom = 0

  static async open(folder: string): Promise<Scene> {
    return new Scene(folder, await openLog(folder, { segmentBytes: 600 }))
  }

  private constructor(folder: string, log: SegmentLog) {
    this.#folder = folder
    this.#log = log
  }

  append(figure: number): void {
    for (let i = 0; i <= figure % 5; i++) {
      const record = { number: this.#next++, payload: payload(figure, figure % 331), samples: figure % 4 }
      const half = record.payload.length >> 1
      expect(this.#log.append([record.payload.subarray(0, half), record.payload.subarray(half)], record.samples)).toBe(
        record.number,
      )
      this.#held.push(record)
    }
    this.#expectFigures()
  }

  async read(figure: number): Promise<void> {
    for (let i = 0; i <= figure % 7; i++) {
      const want = this.#held.find(({ number }) => number >= this.#readFrom)
      expect(await this.#log.next()).toEqual(want)
      if (want !== undefined) this.#readFrom = want.number + 1
    }
  }

  commit(figure: number): void {
    // Up to a record that was read, or one that this process appended.
    const numbers = this.#held.map(({ number }) => number).filter((number) => number < this.#readFrom)
    const upTo = numbers[figure % Math.max(1, numbers.length)]
    if (upTo === undefined) return
    this.#log.commit(upTo)
    this.#held = this.#held.filter(({ number }) => number > upTo)
    this.#expectFigures()
  }

  drop(): void {
    const lost = this.#log.dropOldest()
    if (lost === undefined) return
    const gone = this.#held.splice(0, lost.records)
    expect(sumOf(gone)).toBe(lost.samples)
    this.#expectFigures()
  }

  async write(): Promise<void> {
    await this.#log.written()
    expect(this.#log.unwritten.records).toBe(0)
  }

  async reopen(): Promise<void> {
    await this.#log.close()
    this.#log = await openLog(this.#folder, { segmentBytes: 600 })
    this.#readFrom = 0
    this.#expectFigures()
  }

  async damage(figure: number): Promise<void> {
    await this.#log.close()
    const files = await segmentsOf(this.#folder)
    const file = files[figure % Math.max(1, files.length)]
    if (file !== undefined) await spoil(join(this.#folder, file), figure)
    this.#log = await openLog(this.#folder, { segmentBytes: 600 })
    const found = await readAll(this.#log)
    const left = new Set(numbers(found))
    const lost = this.#held.filter(({ number }) => !left.has(number))
    this.#held = this.#held.filter(({ number }) => left.has(number))
    expect(found).toEqual(this.#held)
    expect(this.#log.damaged).toMatchObject({ records: lost.length, samples: sumOf(lost) })
    this.#expectFigures()
    expect(await this.#log.next()).toBeUndefined()
    expect(this.#log.damaged, 'counted once').toMatchObject({ records: lost.length, samples: sumOf(lost) })
    this.#readFrom = this.#next
    // A part, and then the rest: the next start would find damage again that is not behind the commit.
    this.commit(figure)
    this.commit(this.#held.length - 1)
    expect(this.#log.damaged, 'counted once').toEqual({ records: lost.length, samples: sumOf(lost) })
  }

  async finish(): Promise<void> {
    await this.reopen()
    expect(await readAll(this.#log)).toEqual(this.#held)
    expect(this.#log.problem).toBe('')
    await this.#log.close()
  }

  #expectFigures(): void {
    const { records, samples } = this.#log
    expect({ records, samples }).toEqual({ records: this.#held.length, samples: sumOf(this.#held) })
  }
}

/** Damages a file as disks, people and power cuts do. */
async function spoil(path: string, figure: number): Promise<void> {
  const bytes = await readFile(path)
  const at = figure % bytes.length
  const ways = [
    async () => {
      bytes[at]! ^= 1 << (figure % 8)
      await writeFile(path, bytes)
    },
    () => truncate(path, at),
    () => rm(path),
    () => writeFile(path, Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + (figure % 50))])),
    () => writeFile(path, Buffer.concat([bytes.subarray(0, at), Buffer.alloc(figure % 300), bytes.subarray(at)])),
    () => writeFile(path, bytes.fill(0, at, Math.min(bytes.length, at + (figure % 500)))),
    () => appendFile(path, bytes.subarray(0, at)),
  ]
  await ways[figure % ways.length]!()
}

describe('what a folder may hold', () => {
  async function filled(): Promise<string> {
    const folder = await emptyFolder()
    const log = await openLog(folder)
    appendSome(log, 40)
    await log.close()
    return folder
  }

  it('finds the next intact record behind a flipped bit, and says exactly what is lost', async () => {
    const folder = await filled()
    const [first] = await segmentsOf(folder)
    const bytes = await readFile(join(folder, first!))
    bytes[8 + 136 * 3 + 50]! ^= 4
    await writeFile(join(folder, first!), bytes)
    const log = await openLog(folder)
    expect(numbers(await readAll(log))).toEqual(range(0, 40).filter((number) => number !== 3))
    expect(log.damaged).toEqual({ records: 1, samples: 4 })
    await log.close()
  })

  it('leaves files alone that are not its own, and is not stopped by empty or foreign ones', async () => {
    const folder = await filled()
    await writeFile(join(folder, 'notes.txt'), 'of a person')
    await writeFile(join(folder, '0000000000000017-0000000000000000-00000000.seg'), '')
    await writeFile(join(folder, '0000000000000039-0000000000000780-12345678.seg'), 'not a segment at all')
    const log = await openLog(folder)
    expect(numbers(await readAll(log))).toEqual(range(0, 40))
    expect(log.append([payload(40)], 1)).toBe(40)
    expect(log.damaged).toMatchObject({ records: 0, samples: 0 })
    await log.close()
    expect(await readFile(join(folder, 'notes.txt'), 'utf8')).toBe('of a person')
  })

  it('is not stopped by a file that goes while the folder is being looked at', async () => {
    const folder = await filled()
    // A file that has a name but cannot be found. At any position in the listing, the others are still found.
    for (const salt of ['00000000', '5a5a5a5a', 'a5a5a5a5', 'ffffffff']) {
      await symlink('nowhere', join(folder, `0000000000000007-0000000000000000-${salt}.seg`))
    }
    const log = await openLog(folder)
    expect(numbers(await readAll(log))).toEqual(range(0, 40))
    await log.close()
  })

  it('takes another log’s records inside a payload for what they are', async () => {
    const folder = await filled()
    const [first] = await segmentsOf(folder)
    const inside = await readFile(join(folder, first!))
    const outer = await emptyFolder()
    const writing = await openLog(outer)
    writing.append([inside], 7)
    writing.append([Buffer.from('after')], 1)
    await writing.close()
    const [file] = await segmentsOf(outer)
    const bytes = await readFile(join(outer, file!))
    bytes[20]! ^= 1
    await writeFile(join(outer, file!), bytes)
    const log = await openLog(outer)
    expect((await readAll(log)).map((record) => record.payload.toString())).toEqual(['after'])
    expect(log.damaged).toMatchObject({ records: 1, samples: 7 })
    await log.close()
  })

  it('gives committed records again, and loses none, if the cursor is gone or damaged', async () => {
    for (const harm of [rm, (path: string) => writeFile(path, 'SNTLCUR1?'), (path: string) => truncate(path, 20)]) {
      const folder = await filled()
      const before = await openLog(folder)
      await readAll(before)
      before.commit(20)
      await before.close()
      await harm(join(folder, 'cursor'))
      const log = await openLog(folder)
      const found = numbers(await readAll(log))
      expect(found).toEqual(range(found[0]!, 40))
      expect(found[0]).toBeLessThanOrEqual(21)
      expect(log.damaged.records).toBe(0)
      await log.close()
    }
  })

  it('counts an unreadable end as one record if the number is unknown', async () => {
    const folder = await filled()
    const last = join(folder, (await segmentsOf(folder)).at(-1)!)
    await truncate(last, (await stat(last)).size - 136 + 20)
    await rm(join(folder, 'cursor'))
    const log = await openLog(folder)
    expect(log.records).toBe(40)
    expect(numbers(await readAll(log))).toEqual(range(0, 39))
    expect(log.damaged).toEqual({ records: 1, samples: 0 })
    expect(log.append([payload(40)], 1)).toBe(40)
    await log.close()
  })

  it('knows the samples of a torn record from its intact header', async () => {
    const folder = await filled()
    const last = join(folder, (await segmentsOf(folder)).at(-1)!)
    await truncate(last, (await stat(last)).size - 10)
    await rm(join(folder, 'cursor'))
    const log = await openLog(folder)
    await readAll(log)
    expect(log.damaged).toEqual({ records: 1, samples: 40 })
    await log.close()
  })

  it('passes over a file that vanishes while it is open', async () => {
    const folder = await filled()
    const log = await openLog(folder)
    const [, second] = await segmentsOf(folder)
    expect((await log.next())?.number).toBe(0)
    await rm(join(folder, second!))
    const found = numbers(await readAll(log))
    expect(found.length + 1 + log.damaged.records).toBe(40)
    expect(log.damaged.records).toBeGreaterThan(0)
    await log.close()
  })
})

describe('a disk that fails', () => {
  /** Files that fail in the way that the test sets. */
  function faultyDisk(): { code: string | undefined; roomBytes: number; files: Files } {
    const disk = { code: undefined as string | undefined, roomBytes: Number.POSITIVE_INFINITY }
    const files: Files = {
      ...realFiles,
      open: async (path, flags, mode) => {
        if (disk.code === 'EROFS' && flags !== 'r') throw Object.assign(new Error('EROFS'), { code: disk.code })
        const file = await open(path, flags, mode)
        const { writev } = file
        file.writev = async (buffers, position) => {
          if (disk.code !== undefined) throw Object.assign(new Error(disk.code), { code: disk.code })
          const bytes = Buffer.concat(buffers as unknown as Buffer[]).subarray(0, disk.roomBytes)
          if (bytes.length === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
          disk.roomBytes -= bytes.length
          return { ...(await writev.call(file, [bytes], position)), buffers }
        }
        return file
      },
    }
    return Object.assign(disk, { files })
  }

  it.each([
    ['ENOSPC', 'the disk is full'],
    ['EROFS', 'read-only'],
  ])('is known before anything is written: %s', async (code, words) => {
    const folder = await emptyFolder()
    const disk = faultyDisk()
    disk.code = code
    const log = await openLog(folder, { files: disk.files })
    expect(log.problem).toContain(words)
    disk.code = undefined
    await log.probe()
    expect(log.problem).toBe('')
    disk.code = code
    await log.probe()
    expect(log.problem).toContain(words)
    await log.close()
    expect(await readdir(folder)).not.toContain('probe')
  })

  it.each([
    ['ENOSPC', 'the disk is full'],
    ['EIO', 'the disk fails'],
    ['EROFS', 'read-only'],
  ])('says what %s means, keeps what fits into memory, and goes on by itself', async (code, words) => {
    const folder = await emptyFolder()
    const disk = faultyDisk()
    const log = await openLog(folder, { maxUnwrittenBytes: 1000, files: disk.files })
    appendSome(log, 3)
    await log.written()
    expect(log.problem).toBe('')
    disk.code = code
    // If only opening fails, the open file would still take it.
    log.dropOldest()
    const taken = range(3, 15).filter((i) => log.append([payload(i)], 1) !== 'full')
    await log.written()
    expect(log.problem).toContain(words)
    expect(log.problem).toContain(folder)
    expect(taken).toEqual(range(3, 10))
    expect(log.append([payload(0)], 1)).toBe('full')
    expect(numbers(await readAll(log))).toEqual(taken)
    disk.code = undefined
    await until('the disk takes it again', () => log.problem === '' && log.unwritten.records === 0)
    expect(log.append([payload(10)], 1)).toBe(10)
    expect(numbers(await readAll(log))).toEqual([10])
    await log.close()
    expect((await segmentsOf(folder)).length).toBeLessThanOrEqual(2)

    const again = await openLog(folder)
    expect(numbers(await readAll(again))).toEqual(range(3, 11))
    expect(again.damaged.records).toBe(0)
    await again.close()
  })

  it('takes a record in parts where a full disk makes room little by little', async () => {
    const folder = await emptyFolder()
    const disk = faultyDisk()
    disk.roomBytes = 300
    const log = await openLog(folder, { files: disk.files })
    appendSome(log, 10)
    await log.written()
    expect(log.problem).toContain('the disk is full')
    disk.roomBytes = Number.POSITIVE_INFINITY
    await until('all is written', () => log.unwritten.records === 0)
    await log.close()
    const again = await openLog(folder)
    const records = await readAll(again)
    expect(numbers(records)).toEqual(range(0, 10))
    expect(again.damaged).toEqual({ records: 0, samples: 0 })
    await again.close()
  })

  it('gives up what waits in memory when it is told to drop, and says at the end what no disk took', async () => {
    const folder = await emptyFolder()
    const disk = faultyDisk()
    disk.code = 'ENOSPC'
    const log = await openLog(folder, { maxUnwrittenBytes: 1000, files: disk.files })
    for (let i = 0; i < 7; i++) log.append([payload(i)], 2)
    await log.written()
    expect(log.dropOldest()).toEqual({ records: 7, samples: 14 })
    expect(log.append([payload(7)], 3)).toBe(7)
    await log.close()
    expect(log.unwritten).toEqual({ records: 1, samples: 3 })
    expect(await segmentsOf(folder)).toEqual([])
  })

  it('opens, counts and ends as ever where files cannot be closed', async () => {
    const folder = await emptyFolder()
    const files: Files = {
      ...realFiles,
      open: async (path, flags, mode) => {
        const file = await open(path, flags, mode)
        const close = file.close.bind(file)
        file.close = async () => {
          await close()
          throw Object.assign(new Error('EIO'), { code: 'EIO' })
        }
        return file
      },
    }
    const log = await openLog(folder, { files })
    appendSome(log, 10)
    await log.close()
    const again = await openLog(folder, { files })
    expect([again.records, again.samples]).toEqual([10, log.samples])
    expect(numbers(await readAll(again))).toEqual(range(0, 10))
    await again.close()
  })

  it('opens where a file stands in the way of the folder, and says so', async () => {
    const folder = join(await emptyFolder(), 'taken', 'spool')
    await writeFile(join(folder, '..'), 'a file').catch(() => {})
    await mkdir(join(folder, '../..'), { recursive: true })
    await writeFile(join(folder, '..'), 'a file')
    const log = await openLog(folder)
    expect(log.append([payload(0)], 1)).toBe(0)
    await log.written()
    expect(log.problem).toContain('a part of the path is a file')
    expect((await log.next())?.number).toBe(0)
    await log.close()
    expect(log.unwritten.records).toBe(1)
  })

  it('leaves the files of an unreadable folder alone', async () => {
    const folder = await emptyFolder()
    const before = await openLog(folder)
    appendSome(before, 40)
    await before.close()
    await chmod(folder, 0o300)
    await asNobody(async () => {
      const log = await openLog(folder)
      log.append([payload(1)], 1)
      await log.written()
      expect(await log.next()).toMatchObject({ payload: payload(1) })
      expect([log.damaged.records, log.problem]).toEqual([0, expect.stringContaining('nothing can be written')])
      await log.close()
    }, folder)
    await chmod(folder, 0o700)
    const after = await openLog(folder)
    expect(numbers(await readAll(after))).toEqual(range(0, 40))
    await after.close()
  })

  it.each(['cursor', '.seg'])('leaves all to the next start where a file cannot be opened now: %s', async (name) => {
    const folder = await emptyFolder()
    const before = await openLog(folder)
    appendSome(before, 40)
    before.commit(4)
    await before.close()
    const open: Files['open'] = (path, flags, mode) =>
      path.endsWith(name)
        ? Promise.reject(Object.assign(new Error('EMFILE'), { code: 'EMFILE' }))
        : realFiles.open(path, flags, mode)
    const log = await openLog(folder, { files: { ...realFiles, open } })
    expect([log.samples, log.problem]).toEqual([0, expect.stringContaining('nothing can be written')])
    log.append([payload(1)], 1)
    expect(await log.next()).toMatchObject({ payload: payload(1) })
    expect(await log.next()).toBeUndefined()
    await log.close()
    const after = await openLog(folder)
    expect(numbers(await readAll(after))).toEqual(range(5, 40))
    expect(after.damaged.records).toBe(0)
    await after.close()
  })

  it('counts the records of a last file that fails once: they do not turn up later', async () => {
    const folder = await emptyFolder()
    const before = await openLog(folder)
    appendSome(before, 10)
    await before.close()
    let isBroken = true
    const open: Files['open'] = (path, flags, mode) =>
      isBroken && path.endsWith('.seg')
        ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
        : realFiles.open(path, flags, mode)
    const log = await openLog(folder, { files: { ...realFiles, open } })
    isBroken = false
    const number = log.append([payload(1)], 3)
    const held = log.samples
    expect(numbers(await readAll(log))).toEqual([number])
    expect(log.damaged.samples + 3).toBe(held)
    await log.close()
  })

  it('does not give up records that may be read later', async () => {
    const folder = await emptyFolder()
    const before = await openLog(folder)
    appendSome(before, 40)
    await before.close()
    const log = await openLog(folder)
    const [first] = await segmentsOf(folder)
    await chmod(join(folder, first!), 0)
    await asNobody(async () => {
      expect(await log.next()).toBeUndefined()
      expect(log.problem).toContain('cannot be read')
    })
    await chmod(join(folder, first!), 0o600)
    expect((await log.next())?.number).toBe(0)
    expect(log.damaged.records).toBe(0)
    await log.close()
  })
})
