/** The figures of a GPU that lists show. A figure that is not known is null, never 0. */
export interface GpuFigures {
  readonly utilization_percent: number | null
  readonly memory_percent: number | null
  readonly memory_used_bytes: number | null
  readonly memory_total_bytes: number | null
  readonly temperature_celsius: number | null
  readonly power_watts: number | null
  readonly power_limit_watts: number | null
  /** The last Xid error, which stays; 0: none yet. */
  readonly xid: number | null
}

export const NO_GPU_FIGURES: GpuFigures = {
  utilization_percent: null,
  memory_percent: null,
  memory_used_bytes: null,
  memory_total_bytes: null,
  temperature_celsius: null,
  power_watts: null,
  power_limit_watts: null,
  xid: null,
}

/** @param of the newest value of a field of `gpu` */
export function gpuFigures(of: (field: string) => number | null): GpuFigures {
  const used = of('memory_used_bytes')
  const free = of('memory_free_bytes')
  const sum = used === null || free === null ? null : used + free + (of('memory_reserved_bytes') ?? 0)
  const total = of('memory_total_bytes') ?? sum
  return {
    utilization_percent: of('utilization_percent') ?? percentOf(of('graphics_engine_ratio'), 1),
    memory_percent: percentOf(used, total),
    memory_used_bytes: used,
    memory_total_bytes: total,
    temperature_celsius: of('temperature_celsius'),
    power_watts: of('power_watts'),
    power_limit_watts: of('power_limit_watts'),
    xid: of('xid'),
  }
}

/** With one decimal, which is what a list shows. */
function percentOf(part: number | null, whole: number | null): number | null {
  if (part === null || whole === null || whole <= 0) return null
  return Math.min(100, Math.round((part / whole) * 1000) / 10)
}
