import { isIP } from 'node:net'

/** Whether only this machine reaches what listens there. A name that is not known for it may be anything. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (isIP(name) === 4) return name.startsWith('127.')
  if (isIP(name) === 6) return name === '::1' || name === '0:0:0:0:0:0:0:1' || name.startsWith('::ffff:127.')
  return name === 'localhost' || name.endsWith('.localhost')
}
