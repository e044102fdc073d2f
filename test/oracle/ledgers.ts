/** The values of `/metrics`: each metric summed over its labels, and each labelled value as `name{label="value"}`. */
export type Figures = ReadonlyMap<string, number>

/*
 * Checks docs/metrics.md, "The ledgers": each sample of a program is in exactly one column at each moment. The
 * functions return the violations, in words.
 */

export function imbalanceOfPublisher(name: string, figures: Figures): string[] {
  const of = (metric: string): number => figures.get(metric) ?? 0
  const has = of('sentinel_produced_samples_total') + of('sentinel_outbox_taken_over_samples_total')
  const ends = of('sentinel_sent_samples_total') + of('sentinel_unsent_samples_total') + of('sentinel_outbox_samples')
  return has === ends
    ? []
    : [`the ledger of ${name} does not balance: ${has} made and taken over, ${ends} accounted for`]
}

export function imbalanceOfServer(name: string, figures: Figures): string[] {
  const of = (metric: string): number => figures.get(metric) ?? 0
  const has = of('sentinel_received_samples_total') + of('sentinel_taken_over_samples_total')
  const ends = ['written', 'rejected', 'dropped'].reduce((sum, what) => sum + of(`sentinel_${what}_samples_total`), 0)
  const all = ends + of('sentinel_held_samples')
  return has === all
    ? []
    : [`the ledger of ${name} does not balance: ${has} received and taken over, ${all} accounted for`]
}

/** The same check on the closing line. Samples that a stop leaves on disk or in Redis are held. */
export function imbalanceOfSummary(name: string, summary: Readonly<Record<string, unknown>>): string[] {
  const sum = (...columns: string[]): number => columns.reduce((total, column) => total + Number(summary[column]), 0)
  const ledgers =
    'received' in summary
      ? [[sum('received', 'taken_over'), sum('written', 'rejected', 'dropped', 'held')]]
      : Object.keys(summary)
          .flatMap((column) => /^(.+)_produced$/.exec(column)?.[1] ?? [])
          .map((source) => [
            sum(`${source}_produced`, `${source}_taken_over`),
            sum(`${source}_sent`, `${source}_dropped`, `${source}_held`),
          ])
  return ledgers.every(([has, ends]) => has === ends)
    ? []
    : [`the closing line of ${name} does not balance: ${JSON.stringify(summary)}`]
}
