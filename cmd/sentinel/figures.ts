/** One scrape of a process: its metrics whose names begin with `sentinel_`, which is left out here. */
export interface Figures {
  has(name: string): boolean
  /** Over all labels; where it is not there, `otherwise` (0). */
  sum(name: string, otherwise?: number): number
  /** By the value of its first label. */
  by(name: string): ReadonlyMap<string, number>
}

/** Reads Prometheus' text format, as far as the programs use it. */
export function readFigures(text: string): Figures {
  const families = new Map<string, Map<string, number>>()
  for (const line of text.split('\n')) {
    const [, name, label = '', value] = /^sentinel_(\w+)(?:\{\w+="([^"]*)".*\})? (\S+)$/.exec(line) ?? []
    if (name === undefined) continue
    const family = families.get(name) ?? new Map<string, number>()
    families.set(name, family.set(label, (family.get(label) ?? 0) + Number(value)))
  }
  const by = (name: string): ReadonlyMap<string, number> => families.get(name) ?? new Map()
  return {
    has: (name) => families.has(name),
    sum: (name, otherwise = 0) =>
      families.has(name) ? [...by(name).values()].reduce((total, value) => total + value, 0) : otherwise,
    by,
  }
}
