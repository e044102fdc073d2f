import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Body } from './body.ts'
import { type Headers, send } from './send.ts'

/** How an answer can go wrong. NONE is the right answer, and SLOW the right one some seconds late. */
export const MODES = ['NONE', 'ERROR_500', 'CORRUPT', 'PARTIAL', 'EMPTY', 'SLOW', 'TIMEOUT', 'DROP', 'HUGE'] as const

export type Mode = (typeof MODES)[number]

/** A fault that is an answer of its own. */
export type Fault = Exclude<Mode, 'NONE' | 'SLOW'>

export const SLOW_MS = 5_000
/** A reader without a limit of its own has run out of memory long before. */
const HUGE_BYTES = 4 * 2 ** 30
/** The rows of a few switches are repeated up to here, so that a write is worth its call. */
const BLOCK_BYTES = 256 * 1024
const LINE_FEED = 0x0a

/** What would be answered. */
export interface Whole {
  /** Those of every answer. */
  readonly common: Headers
  /** Those of this one but for its length, `common` among them. */
  readonly headers: Headers
  readonly body: Body
}

/** @param left fires when the client is gone, or the process stops */
type Answer = (response: ServerResponse, whole: Whole, left: AbortSignal) => Promise<void> | void

/**
 * Each takes over the connection. Where an answer begins like the right one it has all of its headers, validators too:
 * a reader must not believe them before it has all of the body.
 */
const ANSWERS: Readonly<Record<Fault, Answer>> = {
  ERROR_500: (response, { common }) => {
    const text = 'the generator was told to fail\n'
    response.writeHead(500, { ...common, 'content-type': 'text/plain', 'content-length': text.length })
    response.end(text)
  },
  /** Cut off in the middle of the last row, by somebody who then counted the bytes. */
  CORRUPT: (response, { headers, body }) => {
    const last = body.pieces.at(-1)!
    const lastRow = last.length - (last.lastIndexOf(LINE_FEED, -2) + 1)
    const pieces = firstBytes(body, body.bytes - Math.ceil(lastRow / 2))
    return send(response, { headers: { ...headers, 'content-length': bytesOf(pieces) }, pieces })
  },
  /** The connection ends after half of what the header promises. */
  PARTIAL: async (response, { headers, body }) => {
    response.writeHead(200, { ...headers, 'content-length': body.bytes })
    for (const piece of firstBytes(body, Math.floor(body.bytes / 2))) response.write(piece)
    response.socket?.destroySoon()
  },
  EMPTY: (response, { common, headers }) => {
    response.writeHead(200, { ...common, 'content-type': headers['content-type'], 'content-length': 0 })
    response.end()
  },
  /** Node.js ends a connection on which nothing moves for two minutes. */
  TIMEOUT: async (response, _whole, left) => {
    if (!left.aborted) await once(left, 'abort')
    response.destroy()
  },
  DROP: (response) => {
    response.socket?.resetAndDestroy()
  },
  /** Good rows, again and again. */
  HUGE: async (response, { headers, body: { pieces } }, left) => {
    response.writeHead(200, headers)
    const [header, ...rows] = pieces
    const blocks = (rows.length > 0 ? rows : pieces).map(blockOf)
    response.write(header)
    let sent = 0
    for (let i = 0; sent < HUGE_BYTES && !left.aborted; i++) {
      const block = blocks[i % blocks.length]!
      sent += block.length
      if (!response.write(block)) await once(response, 'drain', { signal: left }).catch(() => {})
    }
    response.end()
  },
}

export function answerWrongly(
  fault: Fault,
  response: ServerResponse,
  whole: Whole,
  left: AbortSignal,
): Promise<void> | void {
  return ANSWERS[fault](response, whole, left)
}

/** The mode of that name, in any case. */
export function modeOf(text: string): Mode | undefined {
  const name = text.toUpperCase()
  return MODES.find((mode) => mode === name)
}

function blockOf(piece: Buffer): Buffer {
  if (piece.length >= BLOCK_BYTES) return piece
  return Buffer.alloc(piece.length * Math.ceil(BLOCK_BYTES / piece.length), piece)
}

function firstBytes({ pieces }: Body, count: number): Buffer[] {
  const first: Buffer[] = []
  let left = count
  for (const piece of pieces) {
    if (left <= 0) break
    first.push(piece.subarray(0, left))
    left -= piece.length
  }
  return first
}

function bytesOf(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}
