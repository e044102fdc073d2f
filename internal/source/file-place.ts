import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { errorText } from '../text/error-text.ts'
import type { AnswerBody } from './answer-body.ts'
import type { Place } from './target.ts'
import { TargetError } from './target-error.ts'

/** To open a pipe would else wait for who writes into it. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK
const CHUNK_BYTES = 4 * 2 ** 20

/** A file that is read again when it is another one, or has changed. */
export class FilePlace implements Place {
  readonly #path: string
  #taken = ''
  #newest = ''

  constructor(path: string) {
    this.#path = path
  }

  /** @throws TargetError */
  async read(body: AnswerBody, signal: AbortSignal): Promise<'read' | 'nothing_new'> {
    const file = await open(this.#path, FLAGS).catch((cause: unknown) => {
      throw unreadable(cause)
    })
    try {
      const before = await file.stat()
      if (!before.isFile()) throw new TargetError('unreachable', 'it is no file')
      const state = stateOf(before)
      if (state === this.#taken || before.size === 0) return 'nothing_new'
      body.begin(before.size)
      const chunk = Buffer.allocUnsafeSlow(Math.min(before.size, CHUNK_BYTES))
      // No more than it had: a file that grows all the while would have no end.
      for (let left = before.size; left > 0; ) {
        signal.throwIfAborted()
        const { bytesRead } = await file.read(chunk, 0, Math.min(left, chunk.length))
        if (bytesRead === 0) break
        body.add(chunk.subarray(0, bytesRead))
        left -= bytesRead
      }
      if (stateOf(await file.stat()) !== state) throw new TargetError('cut_off', 'it was written while it was read')
      this.#newest = state
      return 'read'
    } catch (cause) {
      throw cause instanceof TargetError || signal.aborted ? cause : unreadable(cause)
    } finally {
      await file.close()
    }
  }

  taken(): void {
    this.#taken = this.#newest
  }

  close(): void {}
}

function stateOf({ ino, size, mtimeMs }: { ino: number; size: number; mtimeMs: number }): string {
  return `${ino}/${size}/${mtimeMs}`
}

function unreadable(cause: unknown): TargetError {
  return new TargetError('unreachable', `it cannot be read: ${errorText(cause)}`, { cause })
}
