import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from './servers.ts'

export interface IssuedFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** An authority of its own, in a temporary folder, and what it has signed. */
export class TestAuthority {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  static async make(name = 'Own CA'): Promise<TestAuthority> {
    const authority = new TestAuthority(await mkdtemp(join(tmpdir(), 'sentinel-ca-')))
    const out = ['-keyout', 'ca.key', '-out', 'ca.pem', '-days', '30']
    await authority.#openssl('req', '-x509', ...KEY, ...out, '-subj', `/CN=${name}`)
    return authority
  }

  get caFile(): string {
    return join(this.folder, 'ca.pem')
  }

  ca(): Promise<string> {
    return readFile(this.caFile, 'utf8')
  }

  /** Signs a certificate for 127.0.0.1 and localhost. @param days until it ends; below 0: since it ended */
  async issue(name: string, days = 30): Promise<IssuedFiles> {
    await writeFile(join(this.folder, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    const [key, request, cert] = ['key', 'csr', 'pem'].map((ending) => `${name}.${ending}`) as [string, string, string]
    await this.#openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
    const signed = ['-in', request, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', cert]
    await this.#openssl('x509', '-req', ...signed, '-days', `${days}`, '-extfile', 'names')
    return { certFile: join(this.folder, cert), keyFile: join(this.folder, key) }
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true })
  }

  #openssl(...args: string[]): Promise<unknown> {
    return promisify(execFile)(findProgram('openssl', 'openssl'), args, { cwd: this.folder })
  }
}

/** Of an elliptic curve: made in no time. */
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
