const OF_FABRICS: ReadonlySet<string> = new Set(['switch', 'fabric_port', 'fabric_info'])

/** Whether a measurement tells of switches or their ports, whose current values travel as snapshots, and not as readings. */
export function isOfFabrics(measurement: string): boolean {
  return OF_FABRICS.has(measurement)
}
