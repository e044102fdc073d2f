/** The measurement of the own metrics of every role. */
export const OWN_MEASUREMENT = 'sentinel_pipeline'

/** Whether a measurement tells of the programs, and not of the host that its tag names. */
export function isOfPrograms(measurement: string): boolean {
  return measurement.startsWith('sentinel_')
}
