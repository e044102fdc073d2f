import type { LiveSample } from '../shared/api.ts'
import { noticedOffset } from '../shared/clock.ts'
import type { Panel } from './panel.ts'
import { PanelData } from './panel-data.ts'

/** The data of all charts of one host, GPU or port. */
export class FeedData {
  readonly panels: readonly PanelData[]
  /** When the newest live sample arrived, ms by the clock of the server; 0 before the first. */
  newestAtMs = 0
  /** How far the clock of the host is ahead of the server's, ms; 0 where it is right, or nobody would notice. */
  clockOffsetMs = 0
  /** The start of the API's table of which the samples come. */
  #table = ''

  constructor(panels: readonly Panel[]) {
    this.panels = panels.map((panel) => new PanelData(panel))
  }

  /** The live stream has a new connection. */
  opened(): void {
    for (const data of this.panels) data.opened()
  }

  /**
   * @param table names the start of the API's table, from the last event that has an id; '' before the first. A new one
   *   comes with the last event of all that the API knows
   * @returns whether the clock of the host was set back, so that history has to be loaded again */
  takeLive(samples: readonly LiveSample[], table = ''): boolean {
    const [newest] = samples
      .filter(({ stale }) => stale !== true || this.newestAtMs === 0)
      .toSorted((a, b) => arrivedUs(b) - arrivedUs(a))
    if (newest !== undefined) {
      this.newestAtMs = arrivedUs(newest) / 1000
      this.clockOffsetMs = noticedOffset((newest.at - arrivedUs(newest)) / 1000)
    }
    const wasSetBack = this.panels.map((data) => data.takeLive(samples)).includes(true)
    if (table !== this.#table) for (const data of this.panels) data.hasAll()
    this.#table = table
    return wasSetBack
  }

  /** Whether all history was answered, and there was none. */
  get isEmpty(): boolean {
    return this.panels.every((data) => data.isLoaded && data.table.times.length === 0)
  }
}

const arrivedUs = ({ arrivedAt, at }: LiveSample) => arrivedAt ?? at
