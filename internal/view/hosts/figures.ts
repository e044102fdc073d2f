/** The figures of a host. A figure that the host does not send is null, never 0. */
export interface HostFigures {
  /** Of all cores together, 0 to 100. */
  readonly cpuPercent: number | null
  readonly memPercent: number | null
  readonly load1: number | null
  readonly cores: number | null
  readonly uptimeSeconds: number | null
  readonly os: string | null
  readonly agentVersion: string | null
  /** Which two sources send as this host, and what to do; null where there is one. */
  readonly conflict: string | null
}

/** The figures of a host that only the store knows. */
export const NO_FIGURES: HostFigures = {
  cpuPercent: null,
  memPercent: null,
  load1: null,
  cores: null,
  uptimeSeconds: null,
  os: null,
  agentVersion: null,
  conflict: null,
}
