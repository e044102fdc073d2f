/** `agent.intervalMs` → `--agent-interval-ms`. */
export function flagOf(key: string): string {
  return `--${words(key).join('-')}`
}

/** `agent.intervalMs` → `SENTINEL_AGENT_INTERVAL_MS`. */
export function variableOf(key: string): string {
  return `${VARIABLE_PREFIX}${words(key).join('_').toUpperCase()}`
}

export const VARIABLE_PREFIX = 'SENTINEL_'

function words(key: string): string[] {
  return key.replace(/[A-Z]/g, (capital) => `.${capital.toLowerCase()}`).split('.')
}

/** A word that differs by more characters than this, or by more than a third of its length, is another word. */
const MAX_DISTANCE = 4

/** `, did you mean X?` with the candidate that is most like the word; '' when none is similar. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  let nearest = ''
  let least = Math.min(MAX_DISTANCE, Math.ceil(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      nearest = candidate
    }
  }
  return nearest === '' ? '' : `, did you mean ${nearest}?`
}

/**
 * How many characters to insert, remove, replace or swap with their neighbour to turn one word into the other
 * (restricted Damerau).
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const bySwap = swapped ? beforeLast[j - 2]! + 1 : Infinity
      row.push(Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1), bySwap))
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
