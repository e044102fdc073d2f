import { readFileSync, statSync } from 'node:fs'
import { conflicts } from './conflicts.ts'
import { ConfigError } from './error.ts'
import { parseSettingsFile } from './file.ts'
import { didYouMean, flagOf, VARIABLE_PREFIX, variableOf } from './names.ts'
import type { Role, Setting } from './setting.ts'
import { allSettings, type Settings } from './settings.ts'

/** Where a value comes from, the weakest first. */
export type OriginKind = 'default' | 'file' | 'variable' | 'flag'

export interface Origin {
  readonly kind: OriginKind
  /** `--redis-url`, `REDIS_URL`, `sentinel.yaml:3`; '' for a default. */
  readonly where: string
}

export interface LoadedSettings {
  readonly role: Role
  readonly settings: Settings
  /** By key. */
  readonly origins: ReadonlyMap<string, Origin>
  /** What works but should not stay so, in words for the log. */
  readonly warnings: readonly string[]
  /** The values that no log may show. */
  readonly secrets: readonly string[]
}

/** A file's text and its permission bits. Throws where it cannot be read. */
export type ReadFile = (path: string) => { readonly text: string; readonly mode: number }

/** Values of flags by key; `config` names the file. */
export type FlagValues = Readonly<Record<string, string>>

export const CONFIG_VARIABLE = `${VARIABLE_PREFIX}CONFIG`

const STRENGTH: readonly OriginKind[] = ['default', 'file', 'variable', 'flag']

interface Written {
  readonly text: string
  readonly isList: boolean
  readonly origin: Origin
}

/**
 * The settings of a role: flags win over variables, variables over the file, the file over defaults. An empty variable counts as unset, as
 * in `REDIS_URL=`.
 *
 * @throws ConfigError with everything that is wrong, not only the first
 */
export function loadSettings(
  role: Role,
  flags: FlagValues,
  env: Readonly<NodeJS.ProcessEnv>,
  readFile: ReadFile = readTextFile,
): LoadedSettings {
  const schema = new Map(allSettings())
  const problems: string[] = []
  const warnings: string[] = []
  const written = new Map<string, Written>()

  readSettingsFile(flags.config ?? env[CONFIG_VARIABLE] ?? '', { schema, written, problems, readFile })
  readVariables(env, { schema, written, problems })
  for (const [key, text] of Object.entries(flags)) {
    if (key !== 'config') written.set(key, { text, isList: false, origin: { kind: 'flag', where: flagOf(key) } })
  }
  readSecretFiles({ schema, written, problems, warnings, readFile })

  const given = new Map<string, unknown>()
  for (const [key, value] of written) {
    const parsed = parseWritten(key, schema.get(key)!, value)
    if (typeof parsed === 'object') given.set(key, parsed.value)
    else problems.push(parsed)
  }
  if (problems.length > 0) throw new ConfigError(problems)

  const values = new Map<string, unknown>()
  for (const [key, setting] of schema) {
    values.set(key, given.has(key) ? given.get(key) : defaultOf(setting, role, given))
  }
  const settings = nest(values)
  const origins = new Map([...schema.keys()].map((key) => [key, written.get(key)?.origin ?? DEFAULT] as const))
  problems.push(...conflicts(role, settings))
  if (problems.length > 0) throw new ConfigError(problems)
  return { role, settings, origins, warnings, secrets: secretsIn(schema, settings, values) }
}

const DEFAULT: Origin = { kind: 'default', where: '' }

interface Reading {
  readonly schema: ReadonlyMap<string, Setting<unknown>>
  readonly written: Map<string, Written>
  readonly problems: string[]
}

function readSettingsFile(path: string, reading: Reading & { readonly readFile: ReadFile }): void {
  if (path === '') return
  const { schema, written, problems, readFile } = reading
  let content: string
  try {
    content = readFile(path).text
  } catch (error) {
    problems.push(`the file of settings ${path} cannot be read: ${reasonOf(error)}`)
    return
  }
  const file = parseSettingsFile(content, path)
  problems.push(...file.problems)
  for (const { key, value, line } of file.entries) {
    const where = `${path}:${line}`
    const setting = schema.get(key)
    const isList = typeof value !== 'string'
    if (setting === undefined) problems.push(`${where}: there is no setting ${key}${didYouMean(key, schema.keys())}`)
    else if (isList && !setting.isList) problems.push(`${where}: ${key} must be ${setting.allowed}, not a list`)
    else written.set(key, { text: isList ? value.join(',') : value, isList, origin: { kind: 'file', where } })
  }
}

function readVariables(env: Readonly<NodeJS.ProcessEnv>, { schema, written, problems }: Reading): void {
  const ours = new Set([CONFIG_VARIABLE])
  for (const [key, setting] of schema) {
    const own = variableOf(key)
    ours.add(own)
    const where = [own, ...setting.alsoFrom].find((name) => !isUnset(name, env[name]))
    if (where !== undefined) {
      written.set(key, { text: env[where]!, isList: false, origin: { kind: 'variable', where } })
    }
  }
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(VARIABLE_PREFIX) || ours.has(name) || isFromKubernetes(name, value)) continue
    problems.push(`there is no setting for the variable ${name}${didYouMean(name, ours)}`)
  }
}

function isUnset(name: string, value: string | undefined): boolean {
  return value === undefined || value === '' || isFromKubernetes(name, value)
}

/**
 * Kubernetes puts the address of each service into the environment of each container: for a service named `sentinel-api` among others
 * SENTINEL_API_PORT=tcp://10.0.0.1:8080. Nobody meant those as settings.
 */
function isFromKubernetes(name: string, value = ''): boolean {
  const isAddress = name.endsWith('_PORT') && /^(tcp|udp):/.test(value)
  return isAddress || /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)/.test(name)
}

/** A secret comes from itself or from its file, whichever was set in the stronger place. */
function readSecretFiles(reading: Reading & { readonly warnings: string[]; readonly readFile: ReadFile }): void {
  const { schema, written, problems, warnings, readFile } = reading
  for (const [key, setting] of schema) {
    if (setting.secret && written.get(key)?.origin.kind === 'flag') {
      warnings.push(`${flagOf(key)} shows the secret to all who can list processes; ${flagOf(`${key}File`)} does not`)
    }
    const path = written.get(key)
    if (setting.holds === undefined || path === undefined) continue
    const secretKey = `${key.slice(0, key.indexOf('.'))}.${setting.holds}`
    const direct = written.get(secretKey)
    const directStrength = direct === undefined ? 0 : STRENGTH.indexOf(direct.origin.kind)
    const pathStrength = STRENGTH.indexOf(path.origin.kind)
    if (directStrength === pathStrength) {
      problems.push(
        `${secretKey} (from ${direct?.origin.where}) and ${key} (from ${path.origin.where}): set one of them`,
      )
    } else if (directStrength > pathStrength) written.delete(key)
    else {
      try {
        const { text, mode } = readFile(path.text)
        if (isOpenToAll(path.text, mode)) warnings.push(`${path.text} (${key}) can be read by every user: chmod 600 it`)
        const value = text.replace(/\r?\n$/, '')
        if (value === '') problems.push(`${key} (from ${path.origin.where}): ${path.text} is empty`)
        const where = `${path.text} (${path.origin.where})`
        written.set(secretKey, { text: value, isList: false, origin: { kind: path.origin.kind, where } })
      } catch (error) {
        problems.push(`${key} (from ${path.origin.where}): ${path.text} cannot be read: ${reasonOf(error)}`)
      }
    }
  }
}

/** Docker and Kubernetes mount secrets readable to all, into a container that is the only one to see them. */
function isOpenToAll(path: string, mode: number): boolean {
  return (mode & 0o004) !== 0 && !/^(\/var)?\/run\/secrets\//.test(path)
}

function parseWritten(key: string, setting: Setting<unknown>, written: Written): { readonly value: unknown } | string {
  const text = setting.secret ? written.text : written.text.trim()
  const value = setting.parse(text)
  if (value !== undefined) return { value }
  const shown = setting.secret ? 'the value' : JSON.stringify(text)
  return `${key}: ${shown} (from ${written.origin.where}) must be ${setting.allowed}`
}

function defaultOf(setting: Setting<unknown>, role: Role, given: ReadonlyMap<string, unknown>): unknown {
  if (typeof setting.default !== 'function') return setting.default
  return setting.default({ role, given: (key: string) => given.get(key) })
}

function nest(values: ReadonlyMap<string, unknown>): Settings {
  const groups: Record<string, Record<string, unknown>> = {}
  for (const [key, value] of values) {
    const [group = '', name = ''] = key.split('.')
    groups[group] ??= {}
    groups[group][name] = value
  }
  // The schema gave every key, and each value was parsed by its own setting.
  return groups as unknown as Settings
}

function secretsIn(
  schema: Reading['schema'],
  settings: Settings,
  values: ReadonlyMap<string, unknown>,
): readonly string[] {
  const secrets = [...schema].filter(([, setting]) => setting.secret).map(([key]) => values.get(key))
  for (const address of [settings.redis.url, settings.influx.url]) {
    if (address === undefined) continue
    const { password } = new URL(address)
    secrets.push(password, decoded(password))
  }
  return [...new Set(secrets.filter((value): value is string => typeof value === 'string' && value !== ''))]
}

/** A URL's password as it was meant: `p%40ss` is p@ss, and what cannot be decoded is itself. */
function decoded(password: string): string {
  try {
    return decodeURIComponent(password)
  } catch {
    return password
  }
}

function readTextFile(path: string): { text: string; mode: number } {
  return { text: readFileSync(path, 'utf8'), mode: statSync(path).mode }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission',
  EISDIR: 'it is a folder',
}

function reasonOf(error: unknown): string {
  const { code = '', message = String(error) } = error as Partial<NodeJS.ErrnoException>
  return REASONS[code] ?? message
}
