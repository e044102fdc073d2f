import { Redactor } from '../text/redactor.ts'
import { conflicts } from './conflicts.ts'
import { ConfigError } from './error.ts'
import type { Role } from './role.ts'
import { basicCredentials } from './secret-url.ts'
import type { Setting } from './setting.ts'
import { allSettings, type Settings } from './settings.ts'
import {
  type FlagValues,
  type Origin,
  type ReadFile,
  readTextFile,
  WrittenSettings,
  type WrittenValue,
} from './written.ts'

export interface LoadedSettings {
  readonly role: Role
  readonly settings: Settings
  /** Where each value comes from, by key. */
  readonly origins: ReadonlyMap<string, Origin>
  /** What works but should be changed, as lines for the log. */
  readonly warnings: readonly string[]
  /** The values that no log line may show. */
  readonly secrets: readonly string[]
}

const DEFAULT: Origin = { kind: 'default', where: '' }

/**
 * Reads the settings of a role: flags win over variables, variables over the file, the file over defaults. An empty
 * variable, as in `REDIS_URL=`, counts as unset.
 *
 * @throws ConfigError with every problem, not only the first
 */
export function loadSettings(
  role: Role,
  flags: FlagValues,
  env: Readonly<NodeJS.ProcessEnv>,
  readFile: ReadFile = readTextFile,
): LoadedSettings {
  const schema = new Map(allSettings())
  const { byKey: written, problems, warnings } = new WrittenSettings(schema, { flags, env, readFile })

  const given = new Map<string, unknown>()
  // A path or a name may be a URL with a password, which belongs into another setting.
  const refused = (found: readonly string[]): ConfigError => {
    const redactor = new Redactor(secretsOf(schema, given))
    return new ConfigError(found.map((problem) => redactor.hide(problem)))
  }
  for (const [key, value] of written) {
    const parsed = parse(key, schema.get(key)!, value)
    if (typeof parsed === 'string') problems.push(parsed)
    else given.set(key, parsed.value)
  }
  if (problems.length > 0) throw refused(problems)

  const values = new Map<string, unknown>()
  for (const [key, setting] of schema) {
    values.set(key, given.has(key) ? given.get(key) : defaultOf(setting, role, given))
  }
  const settings = nest(values)
  const conflicting = conflicts(role, settings)
  if (conflicting.length > 0) throw refused(conflicting)

  const origins = new Map([...schema.keys()].map((key) => [key, written.get(key)?.origin ?? DEFAULT] as const))
  return { role, settings, origins, warnings, secrets: secretsOf(schema, values) }
}

function parse(key: string, setting: Setting<unknown>, written: WrittenValue): { readonly value: unknown } | string {
  const text = setting.secret ? written.text : written.text.trim()
  const value = setting.parse(text)
  if (value !== undefined) return { value }
  if (setting.explain !== undefined) return `${key} (from ${written.origin.where}): ${setting.explain(text)}`
  const shown = setting.secret ? 'the value' : JSON.stringify(setting.show(text))
  return `${key}: ${shown} (from ${written.origin.where}) must be ${setting.allowed}`
}

function defaultOf(setting: Setting<unknown>, role: Role, given: ReadonlyMap<string, unknown>): unknown {
  if (typeof setting.default !== 'function') return setting.default
  return setting.default({ role, given: (key: string) => given.get(key) })
}

/** Turns values by key into settings by group and name. */
export function nest(values: ReadonlyMap<string, unknown>): Settings {
  const groups: Record<string, Record<string, unknown>> = {}
  for (const [key, value] of values) {
    const [group = '', name = ''] = key.split('.')
    groups[group] ??= {}
    groups[group][name] = value
  }
  // Every key comes from the schema, and its setting parsed the value.
  return groups as unknown as Settings
}

function secretsOf(schema: ReadonlyMap<string, Setting<unknown>>, values: ReadonlyMap<string, unknown>): string[] {
  const secrets = new Set<string>()
  for (const [key, setting] of schema) {
    for (const secret of values.has(key) ? setting.secretsIn(values.get(key)) : []) secrets.add(secret)
  }
  const [user, password] = [values.get('influx.username'), values.get('influx.password')]
  if (typeof user === 'string' && typeof password === 'string') secrets.add(basicCredentials(user, password))
  secrets.delete('')
  return [...secrets]
}
