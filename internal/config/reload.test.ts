import { describe, expect, test } from 'vitest'
import { ROLES, type RoleName } from '../../cmd/program/roles.ts'
import { ConfigError } from './error.ts'
import { loadSettings } from './load.ts'
import { LiveSettings } from './reload.ts'
import type { SettingKey, Settings } from './settings.ts'

interface Given {
  readonly role?: RoleName
  readonly flags?: Record<string, string>
  readonly env?: Record<string, string>
  readonly files?: Record<string, string>
}

/** Live settings over files that a test may change; `applied` has what each listener was told. */
function live({ role = 'server', flags = {}, env = {}, files = {} }: Given) {
  const load = () =>
    loadSettings(ROLES[role], { config: 'sentinel.yaml', ...flags }, env, (path) => {
      const text = files[path]
      if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' })
      return { text, mode: 0o600 }
    })
  const settings = new LiveSettings(load(), load)
  settings.allOpen = true
  const applied: Settings[] = []
  const listen = (...keys: SettingKey[]): void => settings.onReload(keys, (changed) => applied.push(changed))
  return { settings, files, applied, listen }
}

function problemsOf(reload: () => unknown): readonly string[] {
  try {
    reload()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('a reload', () => {
  test('calls each listener whose settings changed once, with all settings', () => {
    const { settings, files, applied, listen } = live({
      files: { 'sentinel.yaml': 'log: { level: info }\nstats: { intervalMs: 10s, every: 0 }\n' },
    })
    listen('stats')
    listen('log.level')
    listen('influx')
    files['sentinel.yaml'] = 'log: { level: info }\nstats: { intervalMs: 250ms, every: 7 }\n'
    expect(settings.reload()).toMatchObject({
      changed: { 'stats.intervalMs': '10s → 250ms', 'stats.every': '0 → 7' },
      atNextStart: [],
      failures: [],
    })
    expect(applied.map(({ stats }) => stats)).toEqual([{ intervalMs: 250, every: 7 }])
    expect(settings.settings.stats.every).toBe(7)
    expect(settings.reload()).toMatchObject({ changed: {}, atNextStart: [] })
    expect(applied).toHaveLength(1)
  })

  test('names the settings that wait for the next start, at every reload', () => {
    const { settings, files, listen } = live({ files: { 'sentinel.yaml': 'admin: { port: 1 }\n' } })
    listen('admin')
    files['sentinel.yaml'] = 'admin: { port: 2 }\nbroker: { kind: streams }\n'
    // The default of broker.partitions depends on broker.kind.
    const expected = { changed: {}, atNextStart: ['admin.port', 'broker.kind', 'broker.partitions'] }
    expect(settings.reload()).toMatchObject(expected)
    expect(settings.reload()).toMatchObject(expected)
    expect(settings.settings.admin.port).toBe(1)
    files['sentinel.yaml'] = 'admin: { port: 1 }\n'
    expect(settings.reload()).toMatchObject({ changed: {}, atNextStart: [] })
  })

  test('does not name settings of other roles', () => {
    const { settings, files } = live({ role: 'agent', files: { 'sentinel.yaml': 'agent: { host: a }\n' } })
    files['sentinel.yaml'] = 'agent: { host: a }\napi: { port: 81 }\nspool: { maxBytes: 1GiB }\n'
    expect(settings.reload()).toMatchObject({ changed: {}, atNextStart: [] })
  })

  test('leaves a change without a listener to the next start, once all parts are open', () => {
    const { settings, files, applied, listen } = live({ files: { 'sentinel.yaml': 'stats: { every: 1 }\n' } })
    settings.allOpen = false
    files['sentinel.yaml'] = 'stats: { every: 2 }\n'
    expect(settings.reload()).toMatchObject({ changed: { 'stats.every': '1 → 2' }, atNextStart: [] })
    settings.allOpen = true
    files['sentinel.yaml'] = 'stats: { every: 3 }\n'
    expect(settings.reload()).toMatchObject({ changed: {}, atNextStart: ['stats.every'] })
    listen('stats')
    expect(settings.reload()).toMatchObject({ changed: { 'stats.every': '2 → 3' }, atNextStart: [] })
    expect(applied).toHaveLength(1)
  })

  test('reads each secret file again, and shows no secret', () => {
    const { settings, files, applied, listen } = live({
      env: { INFLUX_TOKEN_FILE: 'token', INFLUX_URL_FILE: 'url' },
      files: { 'sentinel.yaml': 'influx: { bucket: b }\n', token: 'first-secret\n', url: 'http://u:first-secret@h\n' },
    })
    listen('influx')
    files.token = 'second-secret\n'
    files.url = 'http://u:second-secret@h:1\n'
    const reloaded = settings.reload()
    expect(reloaded.changed).toEqual({
      'influx.url': 'http://u:***@h → http://u:***@h:1',
      'influx.token': '[redacted] → [redacted]',
    })
    expect(reloaded.secrets).toContain('second-secret')
    expect(applied[0]?.influx.token).toBe('second-secret')
  })

  test('goes on when a part fails to apply a change, and names the keys', () => {
    const { settings, files, applied, listen } = live({ files: { 'sentinel.yaml': 'stats: { every: 1 }\n' } })
    const error = new Error('no')
    settings.onReload(['stats.every', 'log'], () => {
      throw error
    })
    listen('stats')
    files['sentinel.yaml'] = 'stats: { every: 2 }\n'
    expect(settings.reload().failures).toEqual([{ keys: ['stats.every'], error }])
    expect(applied).toHaveLength(1)
  })
})

describe('a reload is refused, and nothing changes', () => {
  const sound = { 'sentinel.yaml': 'stats: { every: 1 }\ningest: { flushMinMs: 5ms }\n', token: 'secret\n' }

  test.each<readonly [string, Record<string, string | undefined>, RegExp[]]>([
    [
      'where the file is gone',
      { 'sentinel.yaml': undefined },
      [/sentinel\.yaml cannot be read: there is no such file/],
    ],
    ['where it is not YAML', { 'sentinel.yaml': 'stats: [' }, [/^sentinel\.yaml:1: /]],
    [
      'where a name is wrong',
      { 'sentinel.yaml': 'stats: { evry: 1 }' },
      [/no setting stats\.evry, did you mean stats\.every\?/],
    ],
    ['where it is empty', { 'sentinel.yaml': '' }, [/^the settings file sets nothing any more: is it empty\?$/]],
    ['where a secret is empty', { token: '' }, [/token is empty$/]],
    ['where two do not go together', { 'sentinel.yaml': 'ingest: { flushMinMs: 1s }' }, [/must not be above/]],
    [
      'with all that is wrong',
      { 'sentinel.yaml': 'stats: { every: x }\nlog: { level: loud }', token: undefined },
      [/^influx\.tokenFile .*token cannot be read/, /^log\.level/, /^stats\.every/],
    ],
  ])('%s', (_what, broken, expected) => {
    const { settings, files, applied, listen } = live({ env: { INFLUX_TOKEN_FILE: 'token' }, files: { ...sound } })
    listen('stats', 'influx', 'log')
    const before = settings.settings
    Object.assign(files, broken)
    const problems = problemsOf(() => settings.reload()).toSorted()
    expect(problems).toEqual(expected.map((words) => expect.stringMatching(words)))
    expect(settings.settings).toBe(before)
    expect(applied).toEqual([])
    Object.assign(files, sound, { 'sentinel.yaml': 'stats: { every: 2 }' })
    expect(settings.reload().changed).toEqual({ 'stats.every': '1 → 2' })
  })
})
