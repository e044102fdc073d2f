/** Words of sources for no value, in any case, beside what stands in `[…]` or `<<<…>>>`. */
const NO_VALUE = new Set(['', 'n/a', 'na', 'nan', 'null', 'nil', 'none', '-', 'not supported', 'not found', 'unknown'])
/** As exporters and `nvidia-smi` write "not supported", "unknown error", "GPU requires reset". */
const ENCLOSED = /^(\[.*\]|<<<.*>>>)$/s
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const INFINITE = /^[+-]?inf(inity)?$/i

/**
 * DCGM's blank, not found, not supported and not permissioned, as integers of 64 and of 32 bits and as doubles. Those of 64
 * bits are above 2^53, so that all of them are 2^63 as a number.
 */
const BLANK_INT64 = 2 ** 63
const [BLANK_INT32, LAST_BLANK_INT32] = [2_147_483_632, 2_147_483_635]
const [BLANK_DOUBLE, LAST_BLANK_DOUBLE] = [140_737_488_355_328, 140_737_488_355_331]

/** What stands for no value where there could be one. */
export const MISSING = Symbol('missing')
export const NOT_A_NUMBER = Symbol('not a number')

/** A number as it came, infinite ones too; MISSING where it stands for no value, NOT_A_NUMBER where the text is none. */
export function readValue(value: string | number): number | typeof MISSING | typeof NOT_A_NUMBER {
  const number = typeof value === 'number' ? value : numberOf(value.trim())
  if (typeof number !== 'number') return number
  return isBlank(number) ? MISSING : number
}

function numberOf(text: string): number | typeof MISSING | typeof NOT_A_NUMBER {
  if (NUMBER.test(text)) return Number(text)
  if (NO_VALUE.has(text.toLowerCase()) || ENCLOSED.test(text)) return MISSING
  return INFINITE.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : NOT_A_NUMBER
}

function isBlank(value: number): boolean {
  if (value < BLANK_INT32) return false
  if (Number.isNaN(value)) return true
  const isOfInt64 = value >= BLANK_INT64 && value !== Infinity
  return isOfInt64 || value <= LAST_BLANK_INT32 || (value >= BLANK_DOUBLE && value <= LAST_BLANK_DOUBLE)
}
