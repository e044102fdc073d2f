import { mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeFolder } from './make-folder.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-folder-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('makes a folder and those above it, also by several callers at once', async () => {
  const path = join(folder, 'a/b/c')
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(path, 0o700)))
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  await makeFolder(path)
})

it('fails where a part of the path is a file, or a link that leads nowhere', async () => {
  await writeFile(join(folder, 'file'), '')
  await symlink(join(folder, 'gone'), join(folder, 'link'))
  await expect(makeFolder(join(folder, 'file/a'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeFolder(join(folder, 'link/a/b'))).rejects.toMatchObject({ code: 'EEXIST' })
})

it.runIf(process.platform === 'linux')('fails, and ends, where a folder that exists takes no new one', async () => {
  await expect(makeFolder('/proc/sentinel')).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(makeFolder('/proc/sentinel/a/b')).rejects.toMatchObject({ code: 'ENOENT' })
})
