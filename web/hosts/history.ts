import type { PanelData } from '../charts/panel-data.ts'
import { ApiError, getHistory } from '../shared/api.ts'
import type { TimeWindow } from '../shared/period.ts'
import type { HostData } from './host-data.ts'

// Rows beside those of the range: the buckets asked for before it, and rows that hold only a gap.
const SPARE_ROWS = 32

// Buckets before the range, so that lines reach its left edge and a counter's first rate is within it.
const LEAD_BUCKETS = 2

export interface HistoryOptions {
  readonly host: string
  readonly window: TimeWindow
  readonly bucketMs: number
  /** Whether live values continue it. */
  readonly follows: boolean
  readonly signal: AbortSignal
  /** Called for each chart as soon as its answer is there. */
  readonly loaded: () => void
}

/**
 * Fills all charts of a host with history. A chart whose history cannot be had begins empty and goes on live; the first such
 * error is thrown when all are done.
 */
export async function loadHistory(data: HostData, options: HistoryOptions): Promise<void> {
  for (const panel of data.panels) panel.expectHistory()
  const results = await Promise.allSettled(data.panels.map((panel) => loadPanel(panel, options)))
  options.signal.throwIfAborted()
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function loadPanel(data: PanelData, options: HistoryOptions): Promise<void> {
  const { host, window, bucketMs, follows, signal } = options
  const { measurement, fields, aggregate, tag } = data.panel
  const load = (samples: Parameters<PanelData['load']>[0]) => {
    const rows = Math.ceil((window.toMs - window.fromMs) / bucketMs) + SPARE_ROWS
    data.load(samples, { bucketMs, rows, untilMs: window.toMs, follows })
    options.loaded()
  }
  const range = { startMs: window.fromMs - LEAD_BUCKETS * bucketMs, endMs: window.toMs, everyMs: bucketMs }
  try {
    load(
      await getHistory(
        { host, measurement, fields, aggregate, ...(tag === undefined ? {} : { tag }), ...range },
        signal,
      ),
    )
  } catch (error) {
    if (error instanceof ApiError && !data.isLoaded) load([])
    throw error
  }
}
