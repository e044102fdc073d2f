import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { commitOf } from './commit.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commit-'))
})
afterEach(() => rm(folder, { recursive: true }))

function git(...args: string[]): string {
  const who = ['-c', 'user.name=nobody', '-c', 'user.email=nobody@example.org', '-c', 'init.defaultBranch=main']
  return execFileSync('git', [...who, ...args], { cwd: folder, encoding: 'utf8' }).trim()
}

async function commit(): Promise<string> {
  git('init', '-q')
  await writeFile(join(folder, 'file'), 'as committed')
  git('add', 'file')
  git('commit', '-q', '-m', 'first')
  return git('rev-parse', 'HEAD')
}

it('names the commit', async () => {
  const hash = await commit()
  expect(await commitOf(folder)).toEqual({ hash, changed: false })
})

it('says that a file was changed, but not that one is new', async () => {
  const hash = await commit()
  await writeFile(join(folder, 'new'), '')
  expect(await commitOf(folder)).toEqual({ hash, changed: false })
  await writeFile(join(folder, 'file'), 'changed')
  expect(await commitOf(folder)).toEqual({ hash, changed: true })
})

it('does not count stored results as a change of the program', async () => {
  await mkdir(join(folder, 'docs/benchmarks'), { recursive: true })
  await writeFile(join(folder, 'docs/benchmarks/speed.json'), '{}')
  await commit()
  git('add', 'docs')
  git('commit', '-q', '-m', 'figures')
  await writeFile(join(folder, 'docs/benchmarks/speed.json'), '{"version":1}')
  expect(await commitOf(folder)).toMatchObject({ changed: false })
})

it('does not take the commit of another project around the package', async () => {
  await commit()
  await mkdir(join(folder, 'node_modules/sentinelstream'), { recursive: true })
  expect(await commitOf(join(folder, 'node_modules/sentinelstream'))).toBeUndefined()
})

it('is undefined without a checkout, before the first commit, or without the folder', async () => {
  expect(await commitOf(folder)).toBeUndefined()
  git('init', '-q')
  expect(await commitOf(folder)).toBeUndefined()
  expect(await commitOf(join(folder, 'missing'))).toBeUndefined()
})
