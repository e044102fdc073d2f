import { stat } from 'node:fs/promises'
import { countOf } from '../text/count.ts'
import { certificatesIn, type TlsFiles, type TlsMaterial } from './material.ts'

const DAY_MS = 86_400_000
/** A certificate of Let's Encrypt is renewed when it has 30 days left; one that has 14 was forgotten. */
const SOON_DAYS = 14

export interface Validity {
  /** Until the certificate ends, with fractions; below 0 once it has ended. */
  readonly daysLeft: number
  /** Whether it can be shown to anybody now. */
  readonly isValid: boolean
  /** All that a person should do something about; '' while there is nothing. */
  readonly problem: string
  /** Whom it names, and until when. */
  readonly text: string
}

/** Looks at the end's own certificate: the first of its file. Undefined where it has none. */
export function validityOf({ cert }: TlsMaterial, { certFile = '' }: TlsFiles, nowMs: number): Validity | undefined {
  const pem = certificatesIn(cert ?? '')[0]
  if (pem === undefined) return undefined
  const { X509Certificate } = process.getBuiltinModule('node:crypto')
  const { validFrom, validTo, subject, subjectAltName = '' } = new X509Certificate(pem)
  const [beginsMs, endsMs] = [Date.parse(validFrom), Date.parse(validTo)]
  const daysLeft = (endsMs - nowMs) / DAY_MS
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
  const names = subjectAltName.replaceAll(/(?:DNS|IP Address):/g, '') || subject.replaceAll('\n', ', ')
  const left = `ends on ${day(endsMs)}, in ${countOf(Math.floor(daysLeft), 'day')}`
  const problem =
    daysLeft <= 0
      ? `the certificate in ${certFile} has ended on ${day(endsMs)}: renew it`
      : nowMs < beginsMs
        ? `the certificate in ${certFile} is not valid before ${day(beginsMs)}: is the clock of this machine right?`
        : daysLeft < SOON_DAYS
          ? `the certificate in ${certFile} ${left}: renew it`
          : ''
  return { daysLeft, isValid: daysLeft > 0 && nowMs >= beginsMs, problem, text: `${names}; ${left}` }
}

/** Says that every user of this machine can read a key; '' where that is not so. Secrets of containers are readable in them alone. */
export async function keyModeProblem({ keyFile }: TlsFiles): Promise<string> {
  if (keyFile === undefined || /^(\/var)?\/run\/secrets\//.test(keyFile)) return ''
  const { mode } = await stat(keyFile)
  return (mode & 0o004) === 0 ? '' : `${keyFile} can be read by every user: chmod 600 it`
}
