const NAME = 'sentinel.key'

// A browser may forbid storage: then nothing is kept.

/** The key that this tab has kept over a reload. */
export function keptKey(): string | undefined {
  try {
    return sessionStorage.getItem(NAME) ?? undefined
  } catch {
    return undefined
  }
}

/** Keeps the key for as long as this tab is open; undefined forgets it. */
export function keepKey(key: string | undefined): void {
  try {
    if (key === undefined) sessionStorage.removeItem(NAME)
    else sessionStorage.setItem(NAME, key)
  } catch {
    // It is in memory.
  }
}
