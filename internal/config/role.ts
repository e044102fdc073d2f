/**
 * What a role does, as far as its settings go. A setting names the duties that it belongs to, and a role has the
 * settings of its duties.
 *
 * - `measure`: measures this host, asks switch fabrics, and publishes the samples
 * - `ingest`: consumes messages and writes their samples to the store
 * - `serve`: answers requests and serves the page
 * - `generate`: makes the counters of a switch fabric that is not there
 * - `queue`: takes and hands out messages over HTTP
 * - `embed`: can run without Redis and InfluxDB, with a broker and a store inside its own process
 */
export type Duty = 'measure' | 'ingest' | 'serve' | 'generate' | 'queue' | 'embed'

/** A kind of process, as far as its settings go. `cmd/program/roles.ts` lists all of them. */
export interface Role {
  readonly name: string
  /** Where it serves `/health`, `/ready` and `/metrics`, unless `admin.port` is set. */
  readonly adminPort: number
  readonly duties: readonly Duty[]
}

export function hasDuty({ duties }: Role, ...wanted: readonly Duty[]): boolean {
  return wanted.some((duty) => duties.includes(duty))
}
