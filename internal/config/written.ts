import { readFileSync, statSync } from 'node:fs'
import { parseSettingsFile } from './file.ts'
import { didYouMean, flagOf, VARIABLE_PREFIX, variableOf } from './names.ts'
import type { Setting } from './setting.ts'

/** Where a value can come from. A later kind wins over an earlier one. */
const ORIGIN_KINDS = ['default', 'file', 'variable', 'flag'] as const

export interface Origin {
  readonly kind: (typeof ORIGIN_KINDS)[number]
  /** `--redis-url`, `REDIS_URL`, `sentinel.yaml:3`; '' for a default. */
  readonly where: string
}

/** A value as the user wrote it, before it is parsed. */
export interface WrittenValue {
  readonly text: string
  readonly origin: Origin
}

/** Returns a file's text and its permission bits. Throws when the file cannot be read. */
export type ReadFile = (path: string) => { readonly text: string; readonly mode: number }

/** The values of flags by key. The key `config` has the path of the settings file. */
export type FlagValues = Readonly<Record<string, string>>

export const CONFIG_VARIABLE = `${VARIABLE_PREFIX}CONFIG`
/** The URL of the API for `sentinel tail`: an option of that command, not a setting of a role. */
export const API_URL_VARIABLE = `${VARIABLE_PREFIX}API_URL`

/** The authority of that API's certificate, likewise. */
export const API_CA_VARIABLE = `${VARIABLE_PREFIX}API_CA_FILE`

/** The places that settings are written in. */
export interface Inputs {
  readonly flags: FlagValues
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly readFile: ReadFile
}

type Schema = ReadonlyMap<string, Setting<unknown>>

/**
 * What the user wrote for each key: flags win over variables, variables over the settings file. Secrets are read from
 * their files. Values are not parsed yet.
 */
export class WrittenSettings {
  readonly byKey = new Map<string, WrittenValue>()
  readonly problems: string[] = []
  readonly warnings: string[] = []
  readonly #schema: Schema
  readonly #inputs: Inputs

  constructor(schema: Schema, inputs: Inputs) {
    this.#schema = schema
    this.#inputs = inputs
    const { flags, env } = inputs
    const path = flags.config ?? env[CONFIG_VARIABLE] ?? ''
    if (path !== '') this.#readSettingsFile(path)
    this.#readVariables()
    for (const [key, text] of Object.entries(flags)) {
      if (key !== 'config') this.byKey.set(key, { text, origin: { kind: 'flag', where: flagOf(key) } })
    }
    for (const [key, setting] of schema) {
      if (setting.secret) this.#warnOfSecretInFlag(key)
      if (setting.holds !== undefined) this.#readSecretFile(key, `${key.split('.', 1)[0]}.${setting.holds}`)
    }
  }

  #readSettingsFile(path: string): void {
    let content: string
    try {
      content = this.#inputs.readFile(path).text
    } catch (error) {
      this.problems.push(`the settings file ${path} cannot be read: ${reasonOf(error)}`)
      return
    }
    const file = parseSettingsFile(content, path)
    this.problems.push(...file.problems)
    for (const { key, value, line } of file.entries) {
      const where = `${path}:${line}`
      const setting = this.#schema.get(key)
      const isList = typeof value !== 'string'
      if (setting === undefined) {
        this.problems.push(`${where}: there is no setting ${key}${didYouMean(key, this.#schema.keys())}`)
      } else if (isList && !setting.isList) {
        this.problems.push(`${where}: ${key} must be ${setting.allowed}, not a list`)
      } else this.byKey.set(key, { text: isList ? value.join(',') : value, origin: { kind: 'file', where } })
    }
  }

  #readVariables(): void {
    const { env } = this.#inputs
    const known = new Set([CONFIG_VARIABLE, API_URL_VARIABLE, API_CA_VARIABLE])
    for (const [key, setting] of this.#schema) {
      const own = variableOf(key)
      known.add(own)
      const where = [own, ...setting.alsoFrom].find((name) => !isUnset(name, env[name]))
      if (where !== undefined) this.byKey.set(key, { text: env[where]!, origin: { kind: 'variable', where } })
    }
    for (const [name, value] of Object.entries(env)) {
      if (!name.startsWith(VARIABLE_PREFIX) || known.has(name) || isFromKubernetes(name, value)) continue
      this.problems.push(`there is no setting for the variable ${name}${didYouMean(name, known)}`)
    }
  }

  #warnOfSecretInFlag(key: string): void {
    if (this.byKey.get(key)?.origin.kind !== 'flag') return
    this.warnings.push(
      `${flagOf(key)} shows the secret to every user who can list processes: use ${flagOf(`${key}File`)} instead`,
    )
  }

  /**
   * Decides between a secret and the file that holds it: the one that was written in the stronger place wins. It is a
   * problem when both were written in the same kind of place.
   */
  #readSecretFile(fileKey: string, secretKey: string): void {
    const file = this.byKey.get(fileKey)
    if (file === undefined) return
    const { text: path, origin } = file
    const direct = this.byKey.get(secretKey)?.origin
    const fileLead = ORIGIN_KINDS.indexOf(origin.kind) - ORIGIN_KINDS.indexOf(direct?.kind ?? 'default')
    if (fileLead === 0) {
      this.problems.push(
        `${secretKey} (from ${direct?.where}) and ${fileKey} (from ${origin.where}): set only one of them`,
      )
    }
    if (fileLead < 0) this.byKey.delete(fileKey)
    if (fileLead <= 0) return
    try {
      const { text, mode } = this.#inputs.readFile(path)
      const secret = text.replace(/\r?\n$/, '')
      if (secret === '') this.problems.push(`${fileKey} (from ${origin.where}): ${path} is empty`)
      if (this.#isConfidential(secretKey) && isReadableByAll(path, mode))
        this.warnings.push(`${path} (${fileKey}) can be read by every user: chmod 600 it`)
      this.byKey.set(secretKey, { text: secret, origin: { kind: origin.kind, where: `${path} (${origin.where})` } })
    } catch (error) {
      this.problems.push(`${fileKey} (from ${origin.where}): ${path} cannot be read: ${reasonOf(error)}`)
    }
  }

  /** URLs may contain a password. Files may also hold the name of a bucket, which is not a secret. */
  #isConfidential(key: string): boolean {
    return this.#schema.get(key)?.secret === true || /\.(url|targets|named)$/.test(key)
  }
}

/** An empty variable counts as unset. */
function isUnset(name: string, value: string | undefined): boolean {
  return value === undefined || value === '' || isFromKubernetes(name, value)
}

/**
 * Kubernetes sets variables with the address of each service in every container. A service named `sentinel-api` gives,
 * among others, SENTINEL_API_PORT=tcp://10.0.0.1:8080, which is not a setting.
 */
function isFromKubernetes(name: string, value = ''): boolean {
  const isAddress = name.endsWith('_PORT') && /^(tcp|udp):/.test(value)
  return isAddress || /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)/.test(name)
}

/**
 * Docker and Kubernetes mount secrets readable to all users of a container. No other container sees them, so they are
 * left out.
 */
function isReadableByAll(path: string, mode: number): boolean {
  return (mode & 0o004) !== 0 && !/^(\/var)?\/run\/secrets\//.test(path)
}

export function readTextFile(path: string): { text: string; mode: number } {
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
