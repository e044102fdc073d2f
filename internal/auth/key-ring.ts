import { timingSafeEqual } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { errorText } from '../text/error-text.ts'
import { type Identity, SCOPES, type Scope } from './identity.ts'
import { KeyFileError, type KeyRecord, readKeyFile } from './key-file.ts'
import { digestOf } from './secret.ts'

export interface KeyRingOptions {
  /** Undefined where no file is looked at. */
  readonly file: string | undefined
  /** A key with every scope beside those of the file (`API_KEY`). Asked at each refresh. */
  readonly ownKey?: () => string | undefined
  /** The token that the roles share. Asked at each refresh. */
  readonly serviceToken?: () => string | undefined
  readonly nowMs?: () => number
  /** Told of a file that cannot be read any more: the keys of before stay. */
  readonly onProblem?: (problem: string) => void
}

interface Entry {
  /** The hash of the key, as the bytes of its digits. */
  readonly digest: Buffer
  readonly identity: Identity
}

/** How often the file is looked at. A key that is not known is looked up there at once. */
const LOOK_EVERY_MS = 200
/** Digits of a hash by which an entry is found. */
const INDEX_DIGITS = 12
/** The digits of a hash. */
const digits = Buffer.alloc(64)
const OWN_KEY = 'API_KEY'
const SERVICE = 'service'

/** The keys that a process knows. A change of their file takes effect without a restart. */
export class KeyRing {
  readonly #options: KeyRingOptions
  readonly #nowMs: () => number
  readonly #listeners = new Set<() => void>()
  #entries = new Map<string, Entry[]>()
  #alive = new Map<string, Identity>()
  #stamp = ''
  #records: readonly KeyRecord[] | undefined
  /** What the entries are made of: records, own key and token. */
  #madeOf: readonly unknown[] = []
  #token: Entry | undefined
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Whether there were keys: what has been locked stays so when its file disappears. */
  #isConfigured = false
  #problem = ''

  constructor(options: KeyRingOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? Date.now
    this.#rebuild()
  }

  /** Whether a key is needed: there is a file of keys, or a key of the settings, or has been one since the start. */
  get isConfigured(): boolean {
    return this.#isConfigured
  }

  get hasServiceToken(): boolean {
    return this.#token !== undefined
  }

  /** How many keys open something now. */
  get usable(): number {
    const nowMs = this.#nowMs()
    return [...this.#alive.values()].filter((identity) => !hasEnded(identity, nowMs)).length
  }

  /** Why the file cannot be read; '' where it can. */
  get problem(): string {
    return this.#problem
  }

  /** Reads the file, and from now on follows it. @throws KeyFileError */
  async open(): Promise<void> {
    await this.#look(true)
    if (this.#options.file === undefined) return
    this.#timer ??= setInterval(() => void this.refresh(), LOOK_EVERY_MS).unref()
  }

  /** Reads what has changed. */
  async refresh(): Promise<void> {
    this.#looking ??= this.#look(false).finally(() => {
      this.#looking = undefined
    })
    await this.#looking
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Calls `listener` after each change of the keys, until its undo is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Whose key this is; undefined for one that is unknown or has ended. It is found by its hash, and the hashes are compared
   * in constant time: how long that takes says nothing of the keys that there are.
   */
  identify(secret: string): Identity | undefined {
    const sha256 = digestOf(secret)
    const entry = this.#entries.get(indexOf(sha256))?.find((known) => isSame(known.digest, sha256))
    return entry === undefined || hasEnded(entry.identity, this.#nowMs()) ? undefined : entry.identity
  }

  /** The roles themselves; undefined for a wrong token. */
  identifyService(token: string): Identity | undefined {
    const known = this.#token
    return known !== undefined && isSame(known.digest, digestOf(token)) ? known.identity : undefined
  }

  /** Whether a key that was good still is. */
  isGood(identity: Identity): boolean {
    const known = identity.kind === 'service' ? this.#token?.identity : this.#alive.get(identity.id)
    return known !== undefined && known.id === identity.id && !hasEnded(known, this.#nowMs())
  }

  async #look(isFirst: boolean): Promise<void> {
    const { file, onProblem } = this.#options
    try {
      if (file !== undefined) {
        const stamp = await stampOf(file)
        if (stamp !== this.#stamp || isFirst) {
          this.#records = await readKeyFile(file)
          this.#stamp = stamp
        }
      }
      this.#problem = ''
    } catch (error) {
      if (isFirst) throw error
      const problem = error instanceof KeyFileError ? error.message : `the keys cannot be read: ${errorText(error)}`
      this.#problem = problem
      onProblem?.(`${problem}; the keys of before stay`)
    }
    this.#rebuild()
  }

  #rebuild(): void {
    const { ownKey, serviceToken } = this.#options
    const [records, own, token] = [this.#records, ownKey?.(), serviceToken?.()]
    const madeOf = [records, own, token]
    if (madeOf.every((part, at) => part === this.#madeOf[at])) return
    this.#madeOf = madeOf
    const entries = (records ?? []).map(entryOf)
    if (own !== undefined) entries.push(entryFor('key', OWN_KEY, digestOf(own), SCOPES))
    this.#entries = new Map()
    for (const entry of entries) {
      const index = indexOf(entry.digest.toString('latin1'))
      this.#entries.set(index, [...(this.#entries.get(index) ?? []), entry])
    }
    this.#alive = new Map(entries.map(({ identity }) => [identity.id, identity]))
    this.#token = token === undefined ? undefined : entryFor('service', SERVICE, digestOf(token), SCOPES)
    this.#isConfigured ||= records !== undefined || own !== undefined
    for (const listener of this.#listeners) listener()
  }
}

/** Another one after each change: a file is replaced by a rename, which gives it another inode. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function entryOf({ name, scopes, sha256, endsAt }: KeyRecord): Entry {
  const endsAtMs = endsAt === undefined ? undefined : Date.parse(endsAt)
  return entryFor('key', name, sha256, scopes, endsAtMs)
}

function entryFor(
  kind: Identity['kind'],
  name: string,
  sha256: string,
  scopes: readonly Scope[],
  endsAtMs?: number,
): Entry {
  // Another key of the same name is another identity.
  const id = `${kind} ${name} ${indexOf(sha256)} ${scopes.join('+')} ${endsAtMs ?? ''}`
  return { digest: Buffer.from(sha256, 'latin1'), identity: { id, name, kind, scopes, endsAtMs } }
}

function indexOf(sha256: string): string {
  return sha256.slice(0, INDEX_DIGITS)
}

/** In constant time. */
function isSame(digest: Buffer, sha256: string): boolean {
  digits.write(sha256, 'latin1')
  return timingSafeEqual(digest, digits)
}

function hasEnded({ endsAtMs }: Identity, nowMs: number): boolean {
  return endsAtMs !== undefined && nowMs >= endsAtMs
}
