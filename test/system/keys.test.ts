import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Program, run, startProgram } from '../support/programs.ts'
import { freePort, until } from '../support/servers.ts'

let folder: string
const env = (): Record<string, string> => ({ SENTINEL_DATA_PATH: folder, SENTINEL_DUCKDB_PATH: `${folder}/a.duckdb` })
const keys = (...args: string[]) => run('sentinel', { args: ['keys', ...args], env: env() })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-keys-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('without a key', () => {
  it.each([
    ['api', '--api-host=0.0.0.0'],
    ['up', '--api-host=::'],
    ['queue', '--queue-host=0.0.0.0'],
  ])('%s does not start where other machines reach it: %s', async (role, host) => {
    const redis = role === 'up' ? [] : [`--redis-url=redis://127.0.0.1:${await freePort()}`]
    for (const args of [
      [role, host, '--admin-port=0', ...redis],
      ['validate', role, host],
    ]) {
      const { code, stderr } = await run('sentinel', { args, env: env() })
      expect([code, stderr]).toEqual([78, expect.stringContaining('sentinel keys create')])
    }
  })
})

describe('sentinel keys', () => {
  let up: Program
  let api: string
  const statusOf = async (key?: string): Promise<number> =>
    (await fetch(`${api}/api/v1/hosts`, { headers: key === undefined ? {} : { 'x-api-key': key } })).status

  beforeAll(async () => {
    const port = await freePort()
    api = `http://127.0.0.1:${port}`
    const args = ['up', `--api-port=${port}`, '--admin-port=0', '--auth-first-key']
    up = startProgram('sentinel', { args, env: env() })
    await up.logged('started')
  })
  afterAll(() => up?.stop())

  it('begin with one that the first start prints, where that is wanted', async () => {
    const [, key = ''] = /shown this once: (sentinel_\S+)\n/.exec(up.stdout()) ?? []
    expect([await statusOf(), await statusOf(key)]).toEqual([401, 200])
    expect(up.stderr()).not.toContain(key)
    expect((await stat(join(folder, 'keys.json'))).mode & 0o777).toBe(0o600)
  })

  it('create prints a key alone, which opens what runs at once; revoke closes it', async () => {
    const made = await keys('create', '--name=grafana', '--ends=1h')
    expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^sentinel_\S{43}\n$/)])
    const key = made.stdout.trim()
    expect(await statusOf(key)).toBe(200)
    const tail = await run('sentinel', { args: ['tail', '--once', `--api=${api}`], env: { API_KEY: key } })
    expect([tail.code, tail.stdout]).toEqual([0, expect.stringContaining('"measurement"')])
    const { stdout } = await keys('list')
    expect(stdout).toMatch(/^NAME +SCOPES +CREATED +ENDS\nfirst +read,write,admin .* never\ngrafana +read .*\n$/)
    expect(stdout).not.toContain(key)
    expect(await keys('revoke', 'grafana')).toMatchObject({ code: 0, stdout: 'revoked grafana\n' })
    await until('it is refused', async () => (await statusOf(key)) === 401)
  })

  it.each<[args: string[], code: number, words: string]>([
    [['create'], 2, '--name'],
    [['create', '--name=a b'], 2, 'A name has'],
    [['create', '--name=a', '--scope=all'], 2, 'read, write, admin'],
    [['create', '--name=a', '--ends=2020-01-01'], 2, 'a time to come'],
    [['create', '--name=a', '--ends=90'], 2, 'a time to come'],
    [['create', '--name=first'], 1, 'there is a key first already'],
    [['revoke', 'first', 'nobody'], 1, 'no key is called nobody'],
  ])('%j ends with %d and says why', async (args, code, words) => {
    expect(await keys(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(words) })
    expect((await keys('list', '--json')).stdout).toMatch(/^\{"name":"first",.*\}\n$/)
  })
})
