import { randomHex } from '../text/random-hex.ts'

/** A host name is cut to this length, because every message carries the id. */
const MAX_HOST_CHARACTERS = 80

/**
 * Names a run: `host/role/random`. The last part is random, so that a process that restarts, and counts its messages
 * from 0 again, is another run.
 */
export function runId(host: string, role: string): string {
  return `${host.slice(0, MAX_HOST_CHARACTERS)}/${role}/${randomHex()}`
}
