import type { ConnectionOptions } from 'node:tls'
import { hasDuty, type Role } from '../../internal/config/role.ts'
import type { LoadedSettings } from '../../internal/config/load.ts'
import type { Settings } from '../../internal/config/settings.ts'
import { errorText } from '../../internal/text/error-text.ts'
import { pathsOf, readMaterial } from '../../internal/tls/material.ts'
import { keyModeProblem, validityOf } from '../../internal/tls/validity.ts'
import { type TlsUse, tlsFilesOf } from '../parts/tls.ts'
import type { Finding } from './finding.ts'

/** Looks at the files of TLS that a role's settings name, without any network. */
export async function checkTls({ role, settings }: LoadedSettings): Promise<Finding[]> {
  const found: Finding[] = []
  for (const use of usesOf(role, settings)) {
    const part = `tls ${use}`
    const files = tlsFilesOf(settings, use)
    if (pathsOf(files).length === 0) continue
    try {
      const validity = validityOf(await readMaterial(files), files, Date.now())
      const problems = [validity?.problem ?? '', await keyModeProblem(files)].filter((problem) => problem !== '')
      const text = [...problems, validity?.text ?? `the authority in ${files.caFile} can be read`].join('; ')
      found.push({ part, ok: validity?.isValid !== false, warns: problems.length > 0, text })
    } catch (error) {
      found.push({ part, ok: false, text: errorText(error) })
    }
  }
  return found
}

function usesOf(role: Role, { broker }: Settings): TlsUse[] {
  const publishesByHttp = broker.useHttp && hasDuty(role, 'measure')
  return [
    'admin',
    ...(hasDuty(role, 'serve') ? ['api' as const] : []),
    ...(hasDuty(role, 'queue') ? ['queue' as const] : []),
    ...(hasDuty(role, 'measure', 'ingest', 'serve', 'queue') ? ['redis' as const] : []),
    ...(hasDuty(role, 'ingest', 'serve') ? ['influx' as const] : []),
    ...(publishesByHttp ? ['gateway' as const] : []),
  ]
}

/**
 * How the admin listeners of this machine are asked where they speak TLS: by the certificate of the settings, whatever name it
 * has, and with it where they want one of their clients. Undefined where they speak none.
 */
export async function adminTls(settings: Settings): Promise<ConnectionOptions | undefined> {
  const files = tlsFilesOf(settings, 'admin')
  if (files.certFile === undefined) return undefined
  const { cert, key } = await readMaterial(files)
  const known = { ca: cert!, allowPartialTrustChain: true, checkServerIdentity: () => undefined }
  return { ...known, ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
}
