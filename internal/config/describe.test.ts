import { describe, expect, test } from 'vitest'
import { ROLE_NAMES, ROLES } from '../../cmd/program/roles.ts'
import { configTable, defaultInWords, describeSettings } from './describe.ts'
import { loadSettings } from './load.ts'
import { flagOf, variableOf } from './names.ts'
import { allSettings, GROUPS, SCHEMA, settingsOf } from './settings.ts'

describe('the schema', () => {
  test.each(allSettings().map(([key, setting]) => ({ key, ...setting })))('$key is well formed', (setting) => {
    expect(setting.key).toMatch(/^[a-z][A-Za-z]*\.[a-z][A-Za-z]*$/)
    expect(setting.description).toMatch(/^[A-Z].*\.$/s)
    expect(setting.duties).not.toEqual([])
    expect(defaultInWords(setting, Object.values(ROLES))).not.toBe('')
    if (setting.secret) expect(allSettings().map(([key]) => key)).toContain(`${setting.key}File`)
  })

  test('gives each setting a flag and variables of its own', () => {
    const flags = allSettings().map(([key]) => flagOf(key))
    const variables = allSettings().flatMap(([key, setting]) => [variableOf(key), ...setting.alsoFrom])
    expect(new Set(flags).size).toBe(flags.length)
    expect(new Set(variables).size).toBe(variables.length)
  })

  test('has a heading for each group', () => {
    expect(Object.keys(GROUPS)).toEqual(Object.keys(SCHEMA))
  })

  test('has defaults that it would take itself', () => {
    for (const role of Object.values(ROLES)) {
      const { settings } = loadSettings(role, {}, {})
      for (const [key, setting] of allSettings()) {
        const [group, name] = key.split('.') as [keyof typeof settings, string]
        const value = (settings[group] as Readonly<Record<string, unknown>>)[name]
        const written = setting.format(value)
        if (written !== '') expect([key, setting.parse(written)]).toEqual([key, value])
      }
    }
  })
})

describe('the settings that a role runs with', () => {
  test.each(ROLE_NAMES)('of %s read back as the same', (name) => {
    const role = ROLES[name]
    const flags = { 'api.corsOrigins': 'https://a,https://b', 'stop.deadlineMs': '90s', 'influx.org': 'a: b' }
    const first = loadSettings(role, flags, { REDIS_URL: 'redis://r', INFLUX_URL: 'http://i' })
    const printed = describeSettings(first)
    const again = loadSettings(role, { config: 'printed.yaml' }, {}, () => ({ text: printed, mode: 0 }))
    for (const [key] of settingsOf(role)) {
      const [group, name] = key.split('.') as [keyof typeof first.settings, string]
      const read = (settings: object): unknown => (settings as Record<string, Record<string, unknown>>)[group]?.[name]
      expect([key, read(again.settings)]).toEqual([key, read(first.settings)])
    }
  })

  test('say where each comes from, and no secret', () => {
    const env = { REDIS_URL: 'redis://app:hun@hunter2@r', INFLUX_TOKEN: 'hunter2', SENTINEL_INFLUX_ORG: 'acme' }
    const printed = describeSettings(loadSettings(ROLES.server, { 'log.level': 'debug' }, env))
    expect(printed).not.toContain('hunter2')
    expect(printed).toContain('  level: debug  # from --log-level\n')
    expect(printed).toContain('  org: acme  # from SENTINEL_INFLUX_ORG\n')
    expect(printed).toContain('  # url: redis://app:***@r  # from REDIS_URL\n')
    expect(printed).toContain('  # token: [redacted], from INFLUX_TOKEN\n')
    expect(printed).toContain('  flushMaxMs: 250ms  # default\n')
    expect(printed).not.toContain('duckdb:')
  })

  test.each([
    ['influx.org', 'http://app:hunter2@h', '  # org: http://***@h  #'],
    ['influx.bucket', 'http:app:hunter2@h', '  # bucket: http:***@h  #'],
    ['data.path', 'redis://:hunter2@r/x', '  # path: redis://***@r/x  #'],
    ['agent.host', 'web https://h/?token=hunter2', '  # host: web https://h/***  #'],
    ['agent.netExclude', 'eth*,http://app:hunter2@h,b', '  # netExclude: [ eth*, http://***@h*** ]  #'],
  ] as const)('have no secret where a URL stands as %s: %s', (key, value, line) => {
    const printed = describeSettings(loadSettings(ROLES.up, { [key]: value }, {}))
    expect(printed).not.toContain('hunter2')
    expect(printed).toContain(line)
  })
})

test('the table for the README has a row for each setting', () => {
  const rows = configTable(Object.values(ROLES)).trim().split('\n').slice(2)
  expect(rows).toHaveLength(allSettings().length)
  expect(rows).toContain(
    '| `redis.url` | `SENTINEL_REDIS_URL` `REDIS_URL` | redis://127.0.0.1:6379; with up none | up, agent, server, api, queue | The Redis server; rediss:// for TLS. With up, a URL here replaces the memory broker. |',
  )
  for (const row of rows) expect(row.split('|')).toHaveLength(7)
})
