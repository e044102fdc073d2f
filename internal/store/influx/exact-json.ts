import { exactNumber } from '../../sample/value.ts'

/** Whether an answer may have such an integer: of 17 digits or more, or above 9·10^15. A time in µs is below. */
const LARGE = /[:,[]\s*-?(?:9\d{15}|\d{17,})(?![\d.eE])/
/** A text, which is left alone, or an integer. */
const TEXT_OR_LARGE = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b\d{16,}(?![\d.eE])/g

/**
 * Parses JSON without rounding integers: one that a number cannot hold becomes `['its digits']`, while `JSON.parse` would
 * change its last digits.
 *
 * @throws SyntaxError
 */
export function parseExactly(json: string): unknown {
  if (!LARGE.test(json)) return JSON.parse(json)
  return JSON.parse(json.replace(TEXT_OR_LARGE, exactToken))
}

function exactToken(token: string): string {
  return token.startsWith('"') || typeof exactNumber(token) === 'number' ? token : `["${token}"]`
}
