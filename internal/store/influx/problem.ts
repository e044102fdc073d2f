import { StoreError } from '../store.ts'
import { shorten } from './answer.ts'
import { TransportError, UnreadableAnswerError } from './exchange.ts'
import { isPolicyMissing, type Undecided } from './outcome.ts'

/** Where the writer writes. */
export interface Target {
  readonly org: string
  readonly bucket: string
  readonly transport: { readonly url: string; readonly credentials: string }
}

/** Why a write is undecided: which server, what it said, and what to do. */
export function writeProblem(
  { action, status, message, advice, cause }: Undecided,
  { org, bucket, transport }: Target,
): string {
  const said = shorten(message)
  if (cause instanceof TransportError && (cause.code === 'ABORTED' || cause.code === 'NO_TOKEN')) {
    return `InfluxDB at ${transport.url}: ${said}`
  }
  if (cause instanceof UnreadableAnswerError) {
    return `InfluxDB at ${transport.url} gives ${said}; is a proxy before it, and is INFLUX_URL right?`
  }
  if (status === 0) return unreachable(transport.url, said)
  const answer = `InfluxDB at ${transport.url} answers ${`${status} ${said}`.trimEnd()}`
  if (advice !== undefined) return `${answer}: ${advice}`
  if (status === 401) return `${answer}: check ${transport.credentials}`
  if (status === 403) return `${answer}: ${rightAdvice('write to', bucket, transport.credentials)}`
  if ((status === 404 && said.includes('database')) || isPolicyMissing(said))
    return `${answer}: create it, or correct INFLUX_BUCKET`
  if (status === 404 && isWrongAddress(said)) return `${answer}: ${WRONG_ADDRESS}`
  if (status === 404) {
    return `${answer}: create bucket "${bucket}" in organisation "${org}", or correct INFLUX_BUCKET and INFLUX_ORG`
  }
  if (status === 400 && org === '') return `${answer}: set INFLUX_ORG`
  if (action === 'retry') return answer
  return `${answer}: check INFLUX_URL, INFLUX_ORG and INFLUX_BUCKET`
}

/** Whether the words of a 404 are about the path: InfluxDB names the bucket or organisation that it does not find. */
export function isWrongAddress(message: string): boolean {
  return message !== '' && !/bucket|organization|dbrp|database|retention/.test(message)
}

/** What to do about it. */
export const WRONG_ADDRESS = 'is it an InfluxDB, and is INFLUX_URL right?'

/** What to do about an InfluxDB 2.x that nobody has set up. */
export const NOT_SET_UP =
  'it is not set up yet: open its URL in a browser or run "influx setup", then give its organisation, bucket and token'

/** What to do about a missing right. 2.x cannot change the rights of a token. */
export function rightAdvice(right: 'write to' | 'read', bucket: string, credentials: string): string {
  return credentials.startsWith('INFLUX_USERNAME')
    ? `give the user the right to ${right} database "${bucket}"`
    : `make a new token that may ${right} bucket "${bucket}", and give it as ${credentials}`
}

/** A StoreError that names the server. `message` follows the name, as in `answers 401 unauthorized`. */
export function influxError(kind: StoreError['kind'], url: string, message: string, cause?: unknown): StoreError {
  return new StoreError(kind, `InfluxDB at ${url} ${message}`, { cause })
}

export function unreachable(url: string, message: string): string {
  return `InfluxDB at ${url} cannot be reached: ${message}; is it running, and is INFLUX_URL right?`
}
