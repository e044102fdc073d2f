import { getHistory } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import type { TimeWindow } from '../shared/period.ts'
import type { PanelData } from './panel-data.ts'

// Rows beside those of the range: the lead buckets, and rows that hold only a gap.
const SPARE_ROWS = 32

// Buckets that are asked for before the range, so that lines reach its left edge and the first rate of a counter lies within it.
const LEAD_BUCKETS = 2

// By how much longer buckets are tried, and up to which multiple of a bucket of a pixel.
const LONGER = 4
const MOST_LONGER = 64

export interface HistoryOptions {
  /** The resource that has the history, such as `hosts/web-01`. */
  readonly of: string
  /** What more tells which one it is: the fabric of a switch, the host of a GPU. */
  readonly narrowed?: Readonly<Record<string, string>>
  readonly window: TimeWindow
  readonly bucketMs: number
  /** Whether live samples continue the history. */
  readonly follows: boolean
  readonly signal: AbortSignal
  /** Called each time the history of a chart has come. */
  readonly loaded: () => void
}

/**
 * Loads the history of charts, side by side.
 *
 * @throws the first error, once all charts are done. A chart without history begins empty and continues live.
 */
export async function loadHistory(panels: readonly PanelData[], options: HistoryOptions): Promise<void> {
  for (const panel of panels) panel.expectHistory()
  const results = await Promise.allSettled(panels.map((panel) => loadPanel(panel, options)))
  options.signal.throwIfAborted()
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

async function loadPanel(data: PanelData, options: HistoryOptions): Promise<void> {
  try {
    await loadInBuckets(data, options, options.bucketMs)
  } catch (error) {
    if (error instanceof ApiError && !data.isLoaded) {
      data.load('failed', tableOptions(options, options.bucketMs))
      options.loaded()
    }
    throw error
  }
}

/** A host with hundreds of disks has more values in a range than one answer may have (400). Longer buckets have fewer. */
async function loadInBuckets(data: PanelData, options: HistoryOptions, bucketMs: number): Promise<void> {
  const { of, narrowed, window, signal } = options
  const { measurement, fields, aggregate, tag } = data.panel
  const question = { of, narrowed, measurement, fields, aggregate, ...(tag === undefined ? {} : { tag }) }
  const endMs = aggregate === 'last' ? endOfWholeBuckets(options, bucketMs) : window.toMs
  const range = { startMs: window.fromMs - LEAD_BUCKETS * bucketMs, endMs, everyMs: bucketMs }
  let samples: Awaited<ReturnType<typeof getHistory>>
  try {
    samples = await getHistory({ ...question, ...range }, signal)
  } catch (error) {
    const asksTooMuch = error instanceof ApiError && error.parameter === 'every'
    if (!asksTooMuch || bucketMs >= MOST_LONGER * options.bucketMs) throw error
    return loadInBuckets(data, options, LONGER * bucketMs)
  }
  data.load(samples, tableOptions(options, bucketMs))
  options.loaded()
}

function tableOptions({ window, follows }: HistoryOptions, bucketMs: number): Parameters<PanelData['load']>[1] {
  const rows = Math.ceil((window.toMs - window.fromMs) / bucketMs) + SPARE_ROWS
  return { bucketMs, rows, untilMs: window.toMs, follows }
}

/**
 * The end of the last bucket that is over, for counters: the last value of a part of a bucket, taken over the time of a whole one, makes
 * a rate that is too low. Live samples fill what is missing.
 */
function endOfWholeBuckets({ window, follows }: HistoryOptions, bucketMs: number): number {
  const endMs = Math.ceil(window.toMs / bucketMs) * bucketMs
  const isOver = endMs === window.toMs || (!follows && endMs <= Date.now())
  return isOver ? endMs : endMs - bucketMs
}
