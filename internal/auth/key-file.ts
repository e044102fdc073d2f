import { chown, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { randomHex } from '../text/random-hex.ts'
import { isScope, type Scope } from './identity.ts'

/** A key as its file has it. */
export interface KeyRecord {
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Of the key itself, in hexadecimal digits. */
  readonly sha256: string
  /** RFC 3339, UTC. */
  readonly createdAt: string
  readonly endsAt?: string
}

/** The file of keys cannot be read, or is none. The message names it, and has nothing of its content. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError'
}

const FILE_MODE = 0o600
const OTHERS_WRITE = 0o022
const NAME = /^[\w.@/-]{1,64}$/
export const NAME_RULE = 'letters, digits and . _ - @ /, at most 64 of them'
/** Whoever has a lock for so long has been killed: a change takes a millisecond. */
const OLDEST_LOCK_MS = 10_000
const LOCK_PAUSE_MS = 20

export function isKeyName(text: string): boolean {
  return NAME.test(text)
}

/** @returns undefined where there is no such file. @throws KeyFileError */
export async function readKeyFile(path: string): Promise<KeyRecord[] | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new KeyFileError(`the keys in ${path} cannot be read: ${(cause as Error).message}`, { cause })
  }
  return recordsIn(text, path)
}

/** Whether others than the owner may change the file: they could give themselves a key. */
export async function isOthersToChange(path: string): Promise<boolean> {
  const { mode = 0 } = (await stat(path).catch(() => undefined)) ?? {}
  return (mode & OTHERS_WRITE) !== 0
}

/**
 * Changes the file: whoever reads it gets all of the old or all of the new one. Changes at the same time follow each other.
 *
 * @param change the keys of now, undefined where there is no file → those that shall be there; undefined for no change
 * @throws KeyFileError
 */
export async function changeKeyFile(
  path: string,
  change: (records: readonly KeyRecord[] | undefined) => readonly KeyRecord[] | undefined,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const lock = `${path}.lock`
  await takeLock(lock)
  try {
    const records = change(await readKeyFile(path))
    if (records !== undefined) await replace(path, `${JSON.stringify({ keys: records }, undefined, 2)}\n`)
  } finally {
    await rm(lock, { force: true })
  }
}

async function takeLock(path: string): Promise<void> {
  for (;;) {
    try {
      await (await open(path, 'wx', FILE_MODE)).close()
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const ageMs = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs
    if (ageMs > OLDEST_LOCK_MS) await rm(path, { force: true })
    else await sleep(LOCK_PAUSE_MS)
  }
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.${randomHex()}`
  try {
    const file = await open(next, 'wx', FILE_MODE)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await keepOwner(path, next)
    await rename(next, path)
  } catch (error) {
    await rm(next, { force: true })
    throw error
  }
}

/** What root makes or changes stays readable by the user of the programs: the owner of the file, or else of its folder. */
async function keepOwner(path: string, next: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(path).catch(() => stat(dirname(path)))
  await chown(next, uid, gid)
}

function recordsIn(text: string, path: string): KeyRecord[] {
  const { keys } = (parsed(text) ?? {}) as { readonly keys?: unknown }
  if (Array.isArray(keys) && keys.every(isRecord)) return keys
  throw new KeyFileError(`${path} is no file of keys: "sentinel keys create" makes one`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is KeyRecord {
  const { name, scopes, sha256, createdAt, endsAt } = (value ?? {}) as Readonly<Record<string, unknown>>
  return (
    typeof name === 'string' &&
    isKeyName(name) &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === 'string' && isScope(scope)) &&
    typeof sha256 === 'string' &&
    /^[\da-f]{64}$/.test(sha256) &&
    isTime(createdAt) &&
    (endsAt === undefined || isTime(endsAt))
  )
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && Number.isFinite(Date.parse(value))
}
