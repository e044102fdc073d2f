import type { Duty } from '../role.ts'
import { optionalText, path } from '../setting.ts'

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const KIB = 1024
export const MIB = 1024 * KIB
export const GIB = 1024 * MIB

/** What a role does with samples, for which it needs a broker and a place on disk. */
export const PIPELINE: readonly Duty[] = ['measure', 'ingest', 'serve']
/** What stands between Redis and the disk. */
export const REDIS_AND_DISK: readonly Duty[] = [...PIPELINE, 'queue']

/** Of a listener. A new content of the files takes effect at once. */
export const listenerTls = (duties?: readonly Duty[]) => {
  const of = duties === undefined ? {} : { duties }
  return {
    tlsCert: path({
      ...of,
      description: 'The certificate of that address, and those of the authorities between it and the root, in PEM: with it the port speaks TLS alone.', // biome-ignore format: one line
    }),
    tlsKey: path({ ...of, description: 'The key of that certificate, in PEM.' }),
    tlsClientCa: path({
      ...of,
      description: 'An authority, in PEM: then clients must show a certificate that it has signed.',
    }),
  }
}

/** Of a client. A new content of the files takes effect with the next connection. */
export const clientTls = (whom: string, duties: readonly Duty[]) => ({
  caFile: path({
    duties,
    description: `The authority of the certificate of ${whom}, in PEM, in place of the public ones.`,
  }),
  certFile: path({ duties, description: `The certificate that is shown to ${whom}, in PEM.` }),
  keyFile: path({ duties, description: 'The key of that certificate, in PEM.' }),
  serverName: optionalText({
    duties,
    description: `The name in the certificate of ${whom}, where that is another than the one in the URL.`,
  }),
})
