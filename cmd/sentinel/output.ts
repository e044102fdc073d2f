/**
 * The output cannot be written: the reader has closed the pipe (`| head -1`), or the disk is full. `main` reports it.
 */
export class OutputClosed extends Error {}

/** Writes to stdout and waits until it is written, so that a slow reader does not fill the memory. */
export function print(text: string | Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (cause) => (cause ? reject(new OutputClosed('', { cause })) : resolve()))
  })
}

const SHOW_EVERY_MS = 200

/** A line on stderr that shows the progress of long work. Only a terminal shows it. */
export class Progress {
  #shownAtMs = performance.now()
  #isShown = false

  show(text: () => string): void {
    const nowMs = performance.now()
    if (!process.stderr.isTTY || nowMs - this.#shownAtMs < SHOW_EVERY_MS) return
    this.#shownAtMs = nowMs
    this.#isShown = true
    process.stderr.write(`\r\u001b[K${text()}`)
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\u001b[K')
    this.#isShown = false
  }
}
