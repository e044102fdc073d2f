/** Nobody reads what is printed any more (`| head -1`), or the disk is full; the program says what there is to say of it. */
export class NotTaken extends Error {}

/** Waits until stdout has taken it: a pipe that is read slowly must not fill our memory. */
export function print(text: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (cause) => (cause ? reject(new NotTaken('', { cause })) : resolve()))
  })
}

const SHOW_EVERY_MS = 200

/** One line on stderr that shows how far long work is; nothing where nobody looks on. */
export class Progress {
  #shownAtMs = performance.now()
  #isShown = false

  show(words: () => string): void {
    const nowMs = performance.now()
    if (!process.stderr.isTTY || nowMs - this.#shownAtMs < SHOW_EVERY_MS) return
    this.#shownAtMs = nowMs
    this.#isShown = true
    process.stderr.write(`\r\u001b[K${words()}`)
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K')
    this.#isShown = false
  }
}
