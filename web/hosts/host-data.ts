import { PanelData } from '../charts/panel-data.ts'
import type { LiveSample } from '../shared/api.ts'
import { busyPercent, CPU, PANELS } from './panels.ts'

/** The data of one host: that of all its charts. */
export class HostData {
  readonly panels: readonly PanelData[] = PANELS.map((panel) => new PanelData(panel))
  /** The time of the newest live sample, ms since the epoch; 0 before the first. */
  newestAtMs = 0

  takeLive(samples: readonly LiveSample[]): void {
    for (const sample of samples) this.newestAtMs = Math.max(this.newestAtMs, sample.at / 1000)
    for (const data of this.panels) data.takeLive(samples)
  }

  /** The CPU use that the card shows; null before the first live sample, and for a host that sends none. */
  get cpuPercent(): number | null {
    const cpu = this.panels.find(({ panel }) => panel === CPU)!
    return this.newestAtMs === 0 ? null : busyPercent((column) => cpu.newest(column))
  }

  /** Whether all history was answered, and there was none. */
  get isEmpty(): boolean {
    return this.panels.every((data) => data.isLoaded && data.table.times.length === 0)
  }
}
