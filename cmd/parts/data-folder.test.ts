import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from '../../internal/config/error.ts'
import { loadSettings } from '../../internal/config/load.ts'
import type { FlagValues } from '../../internal/config/written.ts'
import { Releaser } from '../../internal/lifecycle/releaser.ts'
import { openSegmentLog } from '../../internal/spool/segment-log.ts'
import { ROLES } from '../program/roles.ts'
import { fileName, openDataFolder } from './data-folder.ts'

describe('fileName', () => {
  const cases: Array<[string, string]> = [
    ['web-01.example.org', 'web-01.example.org'],
    ['a/b', 'a%2fb'],
    ['..', '%2e.'],
    ['.hidden', '%2ehidden'],
    ['50%', '50%25'],
    ['ü b', '%c3%bc%20b'],
    ['', '%'],
  ]
  it.each(cases)('%s is %s', (name, want) => expect(fileName(name)).toBe(want))

  it('cuts a long name, and keeps it distinct from names with the same beginning', () => {
    const long = fileName('a'.repeat(300))
    expect(long).toMatch(/^a{83}%[0-9a-f]{16}$/)
    expect(fileName('a'.repeat(301))).not.toBe(long)
  })
})

describe('openDataFolder', () => {
  let path: string
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'sentinel-data-'))
  })
  afterEach(() => rm(path, { recursive: true }))

  const logger = pino({ enabled: false })
  const contextOf = (flags: FlagValues) => ({
    settings: loadSettings(ROLES.up, { 'data.path': path, ...flags }, {}).settings,
    releaser: new Releaser(logger),
    logger,
  })

  it('locks a folder for each role and name, until the stop', async () => {
    const context = contextOf({ 'broker.consumer': 'one', 'agent.host': 'a/b' })
    const folders = await Promise.all(
      (['server', 'agent', 'api'] as const).map((role) => openDataFolder(context, role)),
    )
    expect(folders).toEqual(['server/one', 'agent/a%2fb', 'api/a%2fb'].map((folder) => join(path, folder)))
    expect(await readdir(folders[0]!)).toEqual(['lock'])
    await context.releaser.release(1000)
    expect(await readdir(folders[0]!)).toEqual([])
  })

  it('refuses a folder that another process uses, and says what to do', async () => {
    const folder = join(path, 'server', 'one')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'lock'), `${process.ppid}\n`)
    const opening = openDataFolder(contextOf({ 'broker.consumer': 'one' }), 'server')
    await expect(opening).rejects.toThrow(ConfigError)
    await expect(opening).rejects.toThrow(
      `${folder} is used by process ${process.ppid}; stop that process, or give this one another --data-path or --broker-consumer`,
    )
  })

  it('warns of samples that were left under another name, unless a process uses that folder', async () => {
    for (const [name, samples, done] of [
      ['old', 7, 3],
      ['empty', 5, 5],
      ['alive', 2, 0],
    ] as const) {
      const log = await openSegmentLog({ folder: join(path, 'agent', name, 'outbox'), maxBytes: 1e6, logger })
      for (let i = 0; i < samples; i++) log.append([Buffer.from('x')], 1)
      log.commit(done - 1)
      await log.close()
    }
    await writeFile(join(path, 'agent', 'alive', 'lock'), `${process.ppid}\n`)
    const said: unknown[] = []
    const context = { ...contextOf({ 'agent.host': 'new' }), logger: { warn: (...args: unknown[]) => said.push(args) } }
    await openDataFolder(context as never, 'agent')
    expect(said).toEqual([
      [{ folder: join(path, 'agent', 'old'), samples: 4 }, expect.stringContaining('(--agent-host)')],
    ])
    await context.releaser.release(1000)
  })

  it('lets a process start when its folder cannot be created', async () => {
    await writeFile(join(path, 'file'), '')
    const context = contextOf({ 'data.path': join(path, 'file') })
    expect(await openDataFolder(context, 'agent')).toContain(join(path, 'file', 'agent'))
  })
})
