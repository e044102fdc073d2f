/**
 * Counters of ports that InfiniBand keeps in 8 or 16 bits (IB specification, PortCounters). They stop at their largest
 * value until somebody clears them: one that stands there is not quiet, but saturated.
 */
const LARGEST: ReadonlyMap<string, number> = new Map([
  ...['linkerrorrecoverycounter', 'linkdownedcounter', 'portxmitconstrainterrors', 'portrcvconstrainterrors'].map(
    of(255),
  ),
  ...['symbolerrorcounter', 'portrcverrors', 'portrcvremotephysicalerrors', 'portrcvswitchrelayerrors'].map(of(65_535)),
  ...['portxmitdiscards', 'vl15dropped'].map(of(65_535)),
])

/** Where a counter stops, by its name, with or without `Ext` or `Extended`; undefined where it has 32 bits or more. */
export function saturationOf(metric: string): number | undefined {
  return LARGEST.get(metric.toLowerCase().replace(/ext(ended)?$/, ''))
}

function of(largest: number): (name: string) => [string, number] {
  return (name) => [name, largest]
}
