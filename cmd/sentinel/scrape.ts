/**
 * One scrape of a process: its metrics whose names begin with `sentinel_`. The methods take names without that prefix.
 */
export interface Scrape {
  has(name: string): boolean
  /** The sum over all label values; `otherwise` when there is no such metric. */
  sum(name: string, otherwise?: number): number
  /** The values of a metric by the value of its first label. */
  by(name: string): ReadonlyMap<string, number>
}

/** Parses Prometheus' text format, as far as the programs use it. */
export function parseScrape(text: string): Scrape {
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
