import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Scope } from '../../internal/auth/identity.ts'
import { changeKeyFile } from '../../internal/auth/key-file.ts'
import { KeyRing, type KeyRingOptions } from '../../internal/auth/key-ring.ts'
import { digestOf, newKey } from '../../internal/auth/secret.ts'

/** A file of keys in a folder of its own. */
export class KeyFileScene {
  readonly path: string
  #opened: KeyRing[] = []

  private constructor(path: string) {
    this.path = path
  }

  static async open(): Promise<KeyFileScene> {
    return new KeyFileScene(join(await mkdtemp(join(tmpdir(), 'keys-')), 'keys.json'))
  }

  /** @returns the key */
  async add(name: string, scopes: readonly Scope[], endsAt?: Date): Promise<string> {
    const key = newKey()
    const record = { name, scopes, sha256: digestOf(key), createdAt: new Date().toISOString() }
    const whole = endsAt === undefined ? record : { ...record, endsAt: endsAt.toISOString() }
    await changeKeyFile(this.path, (records = []) => [...records, whole])
    return key
  }

  async revoke(name: string): Promise<void> {
    await changeKeyFile(this.path, (records = []) => records.filter((record) => record.name !== name))
  }

  async ring(options: Partial<KeyRingOptions> = {}): Promise<KeyRing> {
    const ring = new KeyRing({ file: this.path, ...options })
    this.#opened.push(ring)
    await ring.open()
    return ring
  }

  close(): void {
    for (const ring of this.#opened.splice(0)) ring.close()
  }
}
