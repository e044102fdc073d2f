import { readFile } from 'node:fs/promises'
import { errorText } from '../text/error-text.ts'

/** The files that one end of TLS connections has. All are PEM. */
export interface TlsFiles {
  /** Its certificate, and those of the authorities between it and the root. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** Whose certificates it believes. */
  readonly caFile?: string | undefined
}

/** What is in them. */
export interface TlsMaterial {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
}

/** Files of TLS cannot be used. The message names the file, says what is wrong with it, and has nothing of a key in it. */
export class TlsError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TlsError'
  }
}

export function pathsOf({ certFile, keyFile, caFile }: TlsFiles): string[] {
  return [certFile, keyFile, caFile].filter((path) => path !== undefined)
}

/** Reads the files, and checks that they can be used together, whatever the time. @throws TlsError */
export async function readMaterial(files: TlsFiles): Promise<TlsMaterial> {
  const { certFile, keyFile, caFile } = files
  const [cert, key, ca] = await Promise.all([certFile, keyFile, caFile].map(contentOf))
  const material = {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
  }
  checkMaterial(material, files)
  return material
}

/** @throws TlsError where a certificate or a key is none, or they do not belong together */
function checkMaterial({ cert, key, ca }: TlsMaterial, { certFile = '', keyFile = '', caFile = '' }: TlsFiles): void {
  const { createPrivateKey, X509Certificate } = process.getBuiltinModule('node:crypto')
  const parse = <T>(parser: () => T, path: string, what: string): T => {
    try {
      return parser()
    } catch (cause) {
      throw new TlsError(`${path} has no ${what} in PEM that can be read: ${errorText(cause)}`, { cause })
    }
  }
  for (const text of certificatesIn(ca ?? '')) parse(() => new X509Certificate(text), caFile, 'certificate')
  if (ca !== undefined && certificatesIn(ca).length === 0) throw new TlsError(`${caFile} has no certificate in PEM`)
  if (cert === undefined || key === undefined) return
  const chain = certificatesIn(cert).map((text) => parse(() => new X509Certificate(text), certFile, 'certificate'))
  const [leaf] = chain
  if (leaf === undefined) throw new TlsError(`${certFile} has no certificate in PEM`)
  const privateKey = parse(() => createPrivateKey(key), keyFile, 'private key')
  if (leaf.checkPrivateKey(privateKey)) return
  const hint = chain.some((each) => each.checkPrivateKey(privateKey))
    ? ', whose own certificate must come before those of its authorities'
    : ''
  throw new TlsError(`the key in ${keyFile} is not that of the certificate in ${certFile}${hint}`)
}

/** Each certificate of a PEM text. */
export function certificatesIn(pem: string): string[] {
  return (
    pem.match(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g) ?? []
  )
}

async function contentOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new TlsError(`${path} cannot be read: ${errorText(cause)}`, { cause })
  }
  if (text.trim() === '') throw new TlsError(`${path} is empty`)
  return text
}
