import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, it } from 'vitest'
import { KeyFileScene } from '../../test/support/keys.ts'
import { changeKeyFile, isOthersToChange, KeyFileError, type KeyRecord, readKeyFile } from './key-file.ts'

const RECORD: KeyRecord = {
  ...{ name: 'grafana', scopes: ['read'], sha256: 'a'.repeat(64), createdAt: '2026-01-01T00:00:00.000Z' },
}

it('makes a file that its owner alone can read, and no other beside it', async () => {
  const { path } = await KeyFileScene.open()
  await rm(dirname(path), { recursive: true })
  await changeKeyFile(path, () => [RECORD])
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(dirname(path))).toEqual(['keys.json'])
  expect(await readKeyFile(path)).toEqual([RECORD])
})

it('loses no change of many at the same time, and is whole at each moment', async () => {
  const { path } = await KeyFileScene.open()
  await changeKeyFile(path, () => [])
  const names = Array.from({ length: 20 }, (_, n) => `key-${n}`)
  let reading = true
  const reader = (async () => {
    while (reading) await readKeyFile(path)
  })()
  await Promise.all(names.map((name) => changeKeyFile(path, (records = []) => [...records, { ...RECORD, name }])))
  reading = false
  await reader
  expect((await readKeyFile(path))?.map(({ name }) => name).sort()).toEqual(names.sort())
})

it('is changed all the same where whoever changed it before was killed', async () => {
  const { path } = await KeyFileScene.open()
  await writeFile(`${path}.lock`, '')
  await utimes(`${path}.lock`, 1, 1)
  await changeKeyFile(path, () => [RECORD])
  expect(await readKeyFile(path)).toEqual([RECORD])
})

it('is left as it is where nothing shall change, and where a change fails', async () => {
  const { path } = await KeyFileScene.open()
  await changeKeyFile(path, () => undefined)
  expect(await readKeyFile(path)).toBeUndefined()
  await changeKeyFile(path, () => [RECORD])
  const fail = (): never => {
    throw new Error('no')
  }
  await expect(changeKeyFile(path, fail)).rejects.toThrow('no')
  expect(await readKeyFile(path)).toEqual([RECORD])
  expect(await readdir(dirname(path))).toEqual(['keys.json'])
})

it.each<[what: string, content: object | string]>([
  ['nothing', ''],
  ['a part of it', '{"keys": [{"name": "a"'],
  ['another document', { name: 'x' }],
  ['a list', [RECORD]],
  ['a scope that there is not', { keys: [{ ...RECORD, scopes: ['all'] }] }],
  ['a hash that is none', { keys: [{ ...RECORD, sha256: 'abc' }] }],
  ['an end that is no time', { keys: [{ ...RECORD, endsAt: 'never' }] }],
  ['a name with a line break', { keys: [{ ...RECORD, name: 'a\nb' }] }],
])('is no file of keys: %s', async (_what, content) => {
  const { path } = await KeyFileScene.open()
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
  const failure = await readKeyFile(path).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(KeyFileError)
  expect((failure as Error).message).toContain(path)
  // Nobody writes over what may only be another file.
  await expect(changeKeyFile(path, () => [RECORD])).rejects.toThrow(KeyFileError)
  expect(await readFile(path, 'utf8')).toBe(typeof content === 'string' ? content : JSON.stringify(content))
})

it('says that it cannot be read', async () => {
  const { path } = await KeyFileScene.open()
  await mkdir(path)
  await expect(readKeyFile(path)).rejects.toThrow(`the keys in ${path} cannot be read`)
})

it.each<[mode: number, isOthers: boolean]>([
  [0o600, false],
  [0o644, false],
  [0o620, true],
  [0o666, true],
])('sees who may change it by its mode %i', async (mode, isOthers) => {
  const { path } = await KeyFileScene.open()
  expect(await isOthersToChange(path)).toBe(false)
  await changeKeyFile(path, () => [RECORD])
  await chmod(path, mode)
  expect(await isOthersToChange(path)).toBe(isOthers)
})
