import { stat } from 'node:fs/promises'
import { errorText } from '../text/error-text.ts'
import { pathsOf, readMaterial, TlsError, type TlsFiles, type TlsMaterial } from './material.ts'
import { type Validity, validityOf } from './validity.ts'

export interface WatchedTlsOptions {
  readonly files: TlsFiles
  /** Gets what keeps new files from being used, in words. */
  readonly onRefused: (problem: string) => void
  readonly onTaken?: () => void
  readonly pollMs?: number
}

/** Files are looked at by their state, not by events: Kubernetes and certbot change links above them. */
const POLL_MS = 2_000

/**
 * What is in files of TLS, which are read again when they change. New ones are taken once they have stayed the same from one look
 * to the next, because certificate and key are written one after the other. What cannot be used is said once, and the old
 * content stays.
 */
export class WatchedTls {
  readonly files: TlsFiles
  readonly stats = { reloads: 0, refused: 0 }
  readonly #options: WatchedTlsOptions
  readonly #listeners: Array<(material: TlsMaterial) => void> = []
  #material: TlsMaterial
  #timer: NodeJS.Timeout | undefined
  #seen: string
  #done: string

  private constructor(options: WatchedTlsOptions, material: TlsMaterial, state: string) {
    this.files = options.files
    this.#options = options
    this.#material = material
    this.#seen = this.#done = state
    this.#timer = setInterval(() => void this.look(), options.pollMs ?? POLL_MS).unref()
  }

  /** @throws TlsError where the files cannot be used. A certificate that has ended can: nobody is helped by a process that does not start. */
  static async open(options: WatchedTlsOptions): Promise<WatchedTls> {
    const state = await stateOf(options.files)
    return new WatchedTls(options, await readMaterial(options.files), state)
  }

  /** What is in use. */
  get material(): TlsMaterial {
    return this.#material
  }

  /** Of the certificate in use. */
  validity(nowMs: number): Validity | undefined {
    return validityOf(this.#material, this.files, nowMs)
  }

  onChange(listener: (material: TlsMaterial) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Compares the files with what is in use. */
  async look(): Promise<void> {
    const state = await stateOf(this.files)
    const isSettled = state === this.#seen
    this.#seen = state
    if (!isSettled || state === this.#done) return
    this.#done = state
    try {
      const material = await readMaterial(this.files)
      const { isValid = true, problem = '' } = validityOf(material, this.files, Date.now()) ?? {}
      if (!isValid) throw new TlsError(problem)
      // It may have been closed meanwhile.
      if (this.#timer === undefined) return
      for (const listener of this.#listeners) listener(material)
      this.#material = material
      this.stats.reloads++
      this.#options.onTaken?.()
    } catch (error) {
      this.stats.refused++
      this.#options.onRefused(errorText(error))
    }
  }
}

/** Another one when a file is written, replaced, or may be read by others. */
async function stateOf(files: TlsFiles): Promise<string> {
  const states = pathsOf(files).map(async (path) => {
    try {
      const { ino, size, ctimeMs } = await stat(path)
      return `${ino} ${size} ${ctimeMs}`
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? ''
    }
  })
  return (await Promise.all(states)).join()
}
