/** Timers by name: of each name one at most is running. */
export class Timers<Name extends string> {
  readonly #running = new Map<Name, NodeJS.Timeout>()

  isRunning(name: Name): boolean {
    return this.#running.has(name)
  }

  /** One of the same name that is running is stopped first. */
  start(name: Name, ms: number, run: () => void): void {
    clearTimeout(this.#running.get(name))
    const timer = setTimeout(() => {
      this.#running.delete(name)
      run()
    }, ms)
    this.#running.set(name, timer)
  }

  stop(name: Name): void {
    clearTimeout(this.#running.get(name))
    this.#running.delete(name)
  }

  stopAll(): void {
    for (const timer of this.#running.values()) clearTimeout(timer)
    this.#running.clear()
  }
}
