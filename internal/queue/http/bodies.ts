import { HttpError, ParameterError } from '../../http/errors.ts'

const OPENING_BRACE = 0x7b
const PAYLOAD_KEY = Buffer.from('"payload"')
const MAX_IDS = 1000

/** The message in a body: the string `payload` of a JSON object, otherwise the body itself. */
export function payloadIn(body: Buffer): Buffer {
  if (firstByte(body) !== OPENING_BRACE || !body.includes(PAYLOAD_KEY)) return body
  const value = parsed(body.toString())
  const payload = isObject(value) ? value.payload : undefined
  return typeof payload === 'string' ? Buffer.from(payload) : body
}

/**
 * The ids in the body of an ack: `{"id":"…"}`, `{"ids":["…"]}`, a list of either, or `id=…`.
 *
 * @param others ids that stand in the URL
 * @throws HttpError where there is none, or what there is cannot be one
 */
export function idsIn(body: Buffer, others: readonly string[]): string[] {
  const text = body.toString().trim()
  const ids = [...others, ...(text === '' ? [] : idsOf(text))]
  if (ids.length === 0)
    throw new ParameterError('id', 'id is missing: put {"id":"…"} into the body, or id= into the URL')
  if (ids.length > MAX_IDS) throw new ParameterError('id', `there are more than ${MAX_IDS} ids`)
  return ids
}

function idsOf(text: string): string[] {
  if (/^id=[^\s]*$/.test(text)) return new URLSearchParams(text).getAll('id')
  const value = parsed(text)
  if (value === undefined) throw new HttpError(400, 'the body is no JSON')
  return [value].flat().flatMap((each: unknown) => {
    const found = isObject(each) ? [each.id ?? each.ids].flat() : [each]
    if (!found.every((id) => typeof id === 'string')) {
      throw new ParameterError('id', 'the body has no string id: {"id":"…"}, {"ids":["…"]} or a list of them')
    }
    return found
  })
}

function firstByte(body: Buffer): number | undefined {
  return body.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)
}

/** @returns undefined for what is no JSON */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
