const LEFT_OUT = '…'
/** With fewer characters a name tells nothing. */
const LEAST = 2

/**
 * The names of groups as short as their room: what all begin with is left out first, since it tells none from another, then
 * their beginning. Null where they do not fit, so that they take no room at all.
 *
 * @param most characters that fit
 */
export function shortNames(names: readonly string[], most: number): readonly string[] | null {
  if (names.length === 0 || most < LEAST + LEFT_OUT.length) return null
  if (names.every(({ length }) => length <= most)) return names
  const shared = sharedStart(names)
  const ends = names.map((name) => name.slice(shared))
  if (!ends.every(({ length }) => length + LEFT_OUT.length <= most)) return null
  return names.map((name) => (name.length <= most ? name : `${LEFT_OUT}${name.slice(LEFT_OUT.length - most)}`))
}

/** How many characters all names begin with, never all of one. */
function sharedStart(names: readonly string[]): number {
  const [first = '', ...others] = names
  let shared = first.length - 1
  for (const other of others) {
    shared = Math.min(shared, other.length - 1)
    while (!other.startsWith(first.slice(0, shared))) shared--
  }
  return Math.max(0, shared)
}
