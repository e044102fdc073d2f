import { randomBytes } from 'node:crypto'

/** A name longer than DNS allows a label is cut: the id stands in every message. */
const MAX_HOST_CHARACTERS = 80

/**
 * Names a running source process: `host/role/start`. The start is random, so that a restarted process, whose seq begins at 0
 * again, is another source.
 */
export function runId(host: string, role: string): string {
  return `${host.slice(0, MAX_HOST_CHARACTERS)}/${role}/${randomBytes(4).toString('hex')}`
}
