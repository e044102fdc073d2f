import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FolderInUseError, folderOwner, lockFolder } from './folder-lock.ts'

describe('lockFolder', () => {
  let folder: string
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'sentinel-lock-')), 'agent/web-01')
  })
  afterEach(() => rm(join(folder, '../..'), { recursive: true }))

  const lockText = (): Promise<string> => readFile(join(folder, 'lock'), 'utf8')

  it('makes the folder, leaves nothing behind, and gives it back', async () => {
    const unlock = await lockFolder(folder)
    expect(await readdir(folder)).toEqual(['lock'])
    expect(await lockText()).toMatch(new RegExp(`^${process.pid} \\d*\n$`))
    await unlock()
    expect(await readdir(folder)).toEqual([])
    await unlock()
  })

  it('names the process that has it, and takes it over once that has ended', async () => {
    const other = spawn('sleep', ['60'])
    const exit = once(other, 'exit')
    await lockFolder(folder)
    const start = (await readFile(`/proc/${other.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')[19]
    await writeFile(join(folder, 'lock'), `${other.pid} ${start}\n`)
    const error = await lockFolder(folder).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(FolderInUseError)
    expect(error).toMatchObject({ pid: other.pid, folder })
    expect(await folderOwner(folder)).toBe(other.pid)
    expect(await readdir(folder)).toEqual(['lock'])
    other.kill('SIGKILL')
    await exit
    expect(await folderOwner(folder)).toBeUndefined()
    await lockFolder(folder)
    expect(await lockText()).toContain(`${process.pid} `)
  })

  it.each([
    ['of a pid that now is another process', `${process.ppid} 1\n`],
    ['of our own pid, from an earlier life of the container', `${process.pid} 1\n`],
    ['of nobody', ''],
    ['that is damaged', '\u0000\u0000\u0000'],
    ['of no pid that there can be', '99999999999 5\n'],
    ['of a negative pid', '-1 5\n'],
  ])('takes over a lock %s', async (_name, text) => {
    await (await lockFolder(folder))()
    await writeFile(join(folder, 'lock'), text)
    await lockFolder(folder)
    expect(await lockText()).toMatch(new RegExp(`^${process.pid} `))
  })

  it('does not give back what another process has taken over', async () => {
    const unlock = await lockFolder(folder)
    await writeFile(join(folder, 'lock'), '1 1\n')
    await unlock()
    expect(await lockText()).toBe('1 1\n')
  })
})
