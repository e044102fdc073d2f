import { readFileSync, statSync } from 'node:fs'
import { parseSettingsFile } from './file.ts'
import { didYouMean, flagOf, VARIABLE_PREFIX, variableOf } from './names.ts'
import type { Setting } from './setting.ts'

/** Where a value comes from, the weakest first. */
const ORIGIN_KINDS = ['default', 'file', 'variable', 'flag'] as const

export interface Origin {
  readonly kind: (typeof ORIGIN_KINDS)[number]
  /** `--redis-url`, `REDIS_URL`, `sentinel.yaml:3`; '' for a default. */
  readonly where: string
}

/** A value as somebody wrote it. */
export interface Written {
  readonly text: string
  readonly origin: Origin
}

/** A file's text and its permission bits. Throws where it cannot be read. */
export type ReadFile = (path: string) => { readonly text: string; readonly mode: number }

/** Values of flags by key; `config` names the file. */
export type FlagValues = Readonly<Record<string, string>>

export const CONFIG_VARIABLE = `${VARIABLE_PREFIX}CONFIG`
/** Where `sentinel tail` finds the API: its option, and no setting of a role. */
export const API_URL_VARIABLE = `${VARIABLE_PREFIX}API_URL`

export interface Sources {
  readonly flags: FlagValues
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly readFile: ReadFile
}

type Schema = ReadonlyMap<string, Setting<unknown>>

/** What was written for each key in the strongest place that has it, secrets read from their files. Nothing is parsed yet. */
export class WrittenSettings {
  readonly byKey = new Map<string, Written>()
  readonly problems: string[] = []
  readonly warnings: string[] = []
  readonly #schema: Schema
  readonly #sources: Sources

  constructor(schema: Schema, sources: Sources) {
    this.#schema = schema
    this.#sources = sources
    const { flags, env } = sources
    const path = flags.config ?? env[CONFIG_VARIABLE] ?? ''
    if (path !== '') this.#readSettingsFile(path)
    this.#readVariables()
    for (const [key, text] of Object.entries(flags)) {
      if (key !== 'config') this.byKey.set(key, { text, origin: { kind: 'flag', where: flagOf(key) } })
    }
    for (const [key, setting] of schema) {
      if (setting.secret) this.#warnOfFlag(key)
      if (setting.holds !== undefined) this.#readSecretFile(key, `${key.split('.', 1)[0]}.${setting.holds}`)
    }
  }

  #readSettingsFile(path: string): void {
    let content: string
    try {
      content = this.#sources.readFile(path).text
    } catch (error) {
      this.problems.push(`the file of settings ${path} cannot be read: ${reasonOf(error)}`)
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
    const { env } = this.#sources
    const ours = new Set([CONFIG_VARIABLE, API_URL_VARIABLE])
    for (const [key, setting] of this.#schema) {
      const own = variableOf(key)
      ours.add(own)
      const where = [own, ...setting.alsoFrom].find((name) => !isUnset(name, env[name]))
      if (where !== undefined) this.byKey.set(key, { text: env[where]!, origin: { kind: 'variable', where } })
    }
    for (const [name, value] of Object.entries(env)) {
      if (!name.startsWith(VARIABLE_PREFIX) || ours.has(name) || isFromKubernetes(name, value)) continue
      this.problems.push(`there is no setting for the variable ${name}${didYouMean(name, ours)}`)
    }
  }

  #warnOfFlag(key: string): void {
    if (this.byKey.get(key)?.origin.kind !== 'flag') return
    this.warnings.push(
      `${flagOf(key)} shows the secret to all who can list processes; ${flagOf(`${key}File`)} does not`,
    )
  }

  /** A secret comes from itself or from its file, whichever was written in the stronger place. */
  #readSecretFile(fileKey: string, secretKey: string): void {
    const file = this.byKey.get(fileKey)
    if (file === undefined) return
    const { text: path, origin } = file
    const direct = this.byKey.get(secretKey)?.origin
    const stronger = ORIGIN_KINDS.indexOf(origin.kind) - ORIGIN_KINDS.indexOf(direct?.kind ?? 'default')
    if (stronger === 0) {
      this.problems.push(`${secretKey} (from ${direct?.where}) and ${fileKey} (from ${origin.where}): set one of them`)
    }
    if (stronger < 0) this.byKey.delete(fileKey)
    if (stronger <= 0) return
    try {
      const { text, mode } = this.#sources.readFile(path)
      const secret = text.replace(/\r?\n$/, '')
      if (secret === '') this.problems.push(`${fileKey} (from ${origin.where}): ${path} is empty`)
      if (this.#mayHoldSecret(secretKey) && isOpenToAll(path, mode))
        this.warnings.push(`${path} (${fileKey}) can be read by every user: chmod 600 it`)
      this.byKey.set(secretKey, { text: secret, origin: { kind: origin.kind, where: `${path} (${origin.where})` } })
    } catch (error) {
      this.problems.push(`${fileKey} (from ${origin.where}): ${path} cannot be read: ${reasonOf(error)}`)
    }
  }

  /** A URL may have a password in it; the name of a bucket is for everybody to see. */
  #mayHoldSecret(key: string): boolean {
    return this.#schema.get(key)?.secret === true || key.endsWith('.url')
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

/** Docker and Kubernetes mount secrets readable to all, into a container that is the only one to see them. */
function isOpenToAll(path: string, mode: number): boolean {
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
