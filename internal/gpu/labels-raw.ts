/** A text with more pairs was not made by an exporter. */
const MAX_PAIRS = 128

/** A list of labels as in Prometheus' text: `a="b",c="d"`, or as users write it by hand: `a=b,c=d`. Escapes as there. */
const PAIR = /\s*([A-Za-z_:][\w:./-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*))\s*(?:,|$)/y

export interface ParsedLabels {
  readonly labels: ReadonlyMap<string, string>
  /** Whether all of the text is labels; else `labels` has those before what is none. */
  readonly isWhole: boolean
}

/** The labels of a text, in their order. Braces around them are passed over. Never throws. */
export function parseLabels(text: string): ParsedLabels {
  const labels = new Map<string, string>()
  const inside = text.trim().replace(/^\{/, '').replace(/\}$/, '')
  PAIR.lastIndex = 0
  while (PAIR.lastIndex < inside.length && labels.size < MAX_PAIRS) {
    const [, name, quoted, plain] = PAIR.exec(inside) ?? []
    if (name === undefined) return { labels, isWhole: false }
    labels.set(name, quoted === undefined ? plain!.trim() : unescaped(quoted))
  }
  return { labels, isWhole: PAIR.lastIndex >= inside.length }
}

/** Labels as one text, sorted by their names: the same whatever their order was. */
export function writeLabels(labels: Iterable<readonly [string, string]>): string {
  return Array.from(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, value]) =>
        `${name}="${value.replace(/[\\"\n]/g, (special) => (special === '\n' ? '\\n' : `\\${special}`))}"`,
    )
    .join(',')
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(.)/gs, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}
