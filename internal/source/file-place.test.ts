import { execFileSync } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AnswerBody } from './answer-body.ts'
import { FilePlace } from './file-place.ts'
import { TargetError } from './target-error.ts'

const never = new AbortController().signal
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-place-'))
})
afterAll(() => rm(folder, { recursive: true }))

let files = 0
const newPath = (): string => join(folder, `${files++}.csv`)

/** @returns the body, or what was thrown */
async function readOf(place: FilePlace, signal = never, maxBytes = 20_000_000): Promise<string> {
  const body = new AnswerBody(maxBytes)
  try {
    return (await place.read(body, signal)) === 'read' ? body.bytes.toString() : 'nothing new'
  } catch (error) {
    return error instanceof TargetError ? error.problem : String(error)
  }
}

describe('a file', () => {
  it('is read again when it changed, or was not taken', async () => {
    const path = newPath()
    const place = new FilePlace(path)
    await writeFile(path, 'a\n')
    expect([await readOf(place), await readOf(place)]).toEqual(['a\n', 'a\n'])
    place.taken()
    expect(await readOf(place)).toBe('nothing new')
    await appendFile(path, 'b\n')
    expect(await readOf(place)).toBe('a\nb\n')
    place.taken()
    // Another file of the same size takes its place.
    await writeFile(`${path}.new`, 'c\nd\n')
    await rename(`${path}.new`, path)
    expect(await readOf(place)).toBe('c\nd\n')
    place.taken()
    expect(await readOf(place)).toBe('nothing new')
  })

  it('that is empty has nothing new: somebody is about to write it', async () => {
    const path = newPath()
    const place = new FilePlace(path)
    await writeFile(path, 'a\n')
    await readOf(place)
    place.taken()
    await truncate(path)
    expect(await readOf(place)).toBe('nothing new')
    await writeFile(path, 'b\n')
    expect(await readOf(place)).toBe('b\n')
  })

  it('is read whole, however large it is', async () => {
    const path = newPath()
    const text = 'row,1\n'.repeat(1_500_000)
    await writeFile(path, text)
    expect((await readOf(new FilePlace(path))) === text).toBe(true)
  })

  it('that is written while it is read is not taken', async () => {
    const path = newPath()
    await writeFile(path, 'a\n'.repeat(3_000_000))
    let parts = 0
    class Growing extends AnswerBody {
      override add(chunk: Uint8Array): void {
        super.add(chunk)
        parts++
        appendFileSync(path, 'b\n')
      }
    }
    await expect(new FilePlace(path).read(new Growing(20_000_000), never)).rejects.toMatchObject({ problem: 'cut_off' })
    expect(parts).toBe(2)
  })

  it.each<[string, () => string | Promise<string>, string]>([
    ['is not there', newPath, 'unreachable'],
    ['is a folder', () => folder, 'unreachable'],
    ['is a pipe into which nobody writes', () => {
      const path = newPath()
      execFileSync('mkfifo', [path])
      return path
    }, 'unreachable'],
    ['is too large', async () => {
      const path = newPath()
      await writeFile(path, 'a\n'.repeat(600))
      return path
    }, 'too_large'],
  ])('that %s is a problem', async (_, make, problem) => {
    expect(await readOf(new FilePlace(await make()), never, 1000)).toBe(problem)
  }) // biome-ignore format: a row a case

  it('is left at the signal', async () => {
    const path = newPath()
    await writeFile(path, 'a\n')
    expect(await readOf(new FilePlace(path), AbortSignal.abort(new TargetError('timeout', 'late')))).toBe('timeout')
  })
})
