import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CheckpointFile } from './checkpoint-file.ts'

let folder: string
const path = (): string => join(folder, 'server', 'runs.json')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-file-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('gives the next process what this one saved', async () => {
  const file = new CheckpointFile(path())
  expect(await file.load()).toEqual(new Map())
  await file.save(
    new Map([
      ['a', '1'],
      ['b', '2'],
      ['__proto__', '3'],
    ]),
  )
  await file.save(new Map([['a', '4']]), ['b'])
  const next = new CheckpointFile(path())
  expect(await next.load()).toEqual(
    new Map([
      ['a', '4'],
      ['__proto__', '3'],
    ]),
  )
  await next.save(new Map([['c', '5']]))
  expect((await new CheckpointFile(path()).load()).size).toBe(3)
  expect(await readdir(join(folder, 'server'))).toEqual(['runs.json'])
})

it('rejects what is no JSON, and a file that cannot be read', async () => {
  await writeFile(join(folder, 'cut'), '{"a":')
  await expect(new CheckpointFile(join(folder, 'cut')).load()).rejects.toThrow()
  await expect(new CheckpointFile(folder).load()).rejects.toThrow('EISDIR')
})

it('replaces a damaged file with the next save', async () => {
  await writeFile(join(folder, 'cut'), '{"a":')
  const file = new CheckpointFile(join(folder, 'cut'))
  await file.load().catch(() => {})
  await file.save(new Map([['b', '1']]))
  expect(await new CheckpointFile(join(folder, 'cut')).load()).toEqual(new Map([['b', '1']]))
})
