import { isUtf8 } from 'node:buffer'
import type { StoredLetter } from '../../../internal/dead-letters/reader.ts'
import { ageText } from '../../../internal/text/duration.ts'
import { sizeText } from '../../../internal/text/size.ts'

/** Enough of a payload to fill a line of any terminal. */
const BEGINNING_BYTES = 1000
const MIN_PAYLOAD_WIDTH = 20

/**
 * Characters that a terminal does not show but acts on: controls (escape begins a command), separators that break
 * lines, characters without width, and those that change the writing direction.
 */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Makes a text from outside safe for a terminal, as one line. */
export function shown(text: string): string {
  return text.replace(UNSHOWN, (character) => NAMED[character] ?? `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** Whether a payload can be shown as text. */
export function isText(payload: Buffer): boolean {
  return isUtf8(payload) && !payload.includes(0)
}

/** A row of the table, or its head. */
export interface Row {
  readonly id: string
  readonly time: string
  readonly age: string
  readonly reason: string
  readonly source: string
  readonly size: string
  readonly payload: string
}

const HEAD: Row = {
  id: 'ID',
  time: 'TIME',
  age: 'AGE',
  reason: 'REASON',
  source: 'SOURCE',
  size: 'SIZE',
  payload: 'PAYLOAD',
}

export function rowOf(letter: StoredLetter, nowMs: number): Row {
  return {
    id: letter.name,
    time: timeOf(letter).replace(/\.\d+/, ''),
    age: ageText(nowMs - letter.at),
    reason: shown(letter.reason),
    source: shown(letter.source) || '-',
    size: sizeText(letter.payloadBytes),
    payload: beginningOf(letter.payload),
  }
}

/** @param width columns of the terminal; the payload gets what the other columns leave */
export function table(rows: readonly Row[], width: number): string {
  const columns = Object.keys(HEAD) as Array<keyof Row>
  const all = [HEAD, ...rows]
  const widths = columns.map((column) => Math.max(...all.map((row) => row[column].length)))
  const before = widths.slice(0, -1).reduce((sum, columnWidth) => sum + columnWidth + 2, 0)
  widths[widths.length - 1] = Math.max(MIN_PAYLOAD_WIDTH, width - before)
  const line = (row: Row): string =>
    columns.map((column, i) => fitted(row[column], widths[i]!, column === 'size')).join('  ')
  return all.map((row) => `${line(row).trimEnd()}\n`).join('')
}

/** Everything about a letter, with its payload. */
export function details(letter: StoredLetter, nowMs: number): string {
  const { name: id, at, kind, reason, detail, source, payload, payloadBytes } = letter
  const isCut = payload.length < payloadBytes
  const lines = [
    ['id', id],
    ['time', `${timeOf(letter)} (${ageText(nowMs - at)} ago)`],
    ['kind', kind],
    ['reason', shown(reason)],
    ['detail', shown(detail)],
    ['source', shown(source) || 'unknown'],
    ['payload', `${payloadBytes} bytes${isCut ? `, of which the first ${payload.length} were kept` : ''}`],
  ]
  const head = lines.map(([name, value]) => `${name!.padEnd(9)}${value}\n`).join('')
  return `${head}\n${isText(payload) ? asText(payload) : hexDump(payload)}`
}

/** An id for JSON: a number where it is one. */
export function idOf({ name }: Pick<StoredLetter, 'name'>): number | string {
  return /^\d+$/.test(name) ? Number(name) : name
}

/** A letter as JSON. The payload is text if it can be, else base64. */
export function asJson(letter: StoredLetter): string {
  const { kind, reason, detail, source, payload, payloadBytes } = letter
  const content = isText(payload) ? { payload: payload.toString() } : { payloadBase64: payload.toString('base64') }
  return safeJson({ id: idOf(letter), time: timeOf(letter), kind, reason, detail, source, payloadBytes, ...content })
}

/** JSON that is safe for a terminal: `JSON.stringify` leaves many characters unescaped that a terminal acts on. */
export function safeJson(value: object): string {
  return JSON.stringify(value).replace(UNSHOWN, (character) =>
    Array.from({ length: character.length }, (_, i) => escaped(character.charCodeAt(i))).join(''),
  )
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}

function asText(payload: Buffer): string {
  return payload
    .toString()
    .split('\n')
    .map((line) => `${shown(line)}\n`)
    .join('')
}

const DUMP_WIDTH = 16

/** Offset, bytes in hex, and ASCII characters, as `hexdump -C` shows them. */
export function hexDump(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += DUMP_WIDTH) {
    const row = bytes.subarray(at, at + DUMP_WIDTH)
    const hex = row.toString('hex').replace(/../g, '$& ')
    const ascii = row.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
    text += `${at.toString(16).padStart(8, '0')}  ${hex.padEnd(DUMP_WIDTH * 3)} |${ascii}|\n`
  }
  return text
}

function beginningOf(payload: Buffer): string {
  const beginning = payload.subarray(0, BEGINNING_BYTES)
  // The cut may have split a character.
  return isText(payload) ? shown(beginning.toString()) : beginning.toString('hex')
}

function fitted(text: string, width: number, toTheRight: boolean): string {
  if (text.length > width) return `${text.slice(0, width - 1)}…`
  return toTheRight ? text.padStart(width) : text.padEnd(width)
}

function timeOf({ at }: StoredLetter): string {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? 'unknown' : date.toISOString()
}
