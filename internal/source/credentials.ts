import { readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import { errorText } from '../text/error-text.ts'
import { TargetError } from './target-error.ts'

/** What an address is asked with. Files are read again for each question, so that a new token needs no restart. */
export interface CredentialOptions {
  readonly bearerFile?: string | undefined
  readonly username?: string | undefined
  readonly passwordFile?: string | undefined
  /** PEM. */
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** The newest content of the files. */
export interface Credentials {
  /** The header `Authorization`. */
  readonly authorization: string | undefined
  readonly tls: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'>
  /** Takes them out of a text for people: a server may repeat what it was sent. */
  hide(text: string): string
}

/** @throws TargetError where a file cannot be read, or is empty; with its path, and nothing of its content */
export async function readCredentials(options: CredentialOptions): Promise<Credentials> {
  const { bearerFile, username, passwordFile, caFile, certFile, keyFile } = options
  const [token, password, ca, cert, key] = await Promise.all(
    [bearerFile, passwordFile, caFile, certFile, keyFile].map(contentOf),
  )
  const basic = username === undefined ? undefined : Buffer.from(`${username}:${password ?? ''}`).toString('base64')
  const secrets = [token, password, basic].filter((secret) => secret !== undefined)
  const tls = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) } // biome-ignore format: one line
  return {
    authorization: token !== undefined ? `Bearer ${token}` : basic === undefined ? undefined : `Basic ${basic}`,
    tls,
    hide: (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text),
  }
}

async function contentOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    const text = (await readFile(path, 'utf8')).trim()
    if (text !== '') return text
  } catch (cause) {
    throw new TargetError('credentials', `${path} cannot be read: ${errorText(cause)}`, { cause })
  }
  throw new TargetError('credentials', `${path} is empty`)
}
