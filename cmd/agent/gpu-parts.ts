import { GpuReadings } from '../../internal/gpu/readings.ts'
import type { Refusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { Context, OpenPublisher } from '../program/context.ts'
import { Repeats } from './repeats.ts'
import type { SourceLetters } from './source-letters.ts'

/** How much of what is refused the log shows. */
const SHOWN_CHARACTERS = 300

/** What a source of readings needs. */
export interface GpuParts extends OpenPublisher {
  readonly readings: GpuReadings
  /**
   * @param row a message of one row, or what came where the reason is `row_syntax`
   * @param from a file, or nothing where there is one source
   * @param key the same number each time, where the row comes again and again
   */
  readonly onRefused: (refusal: Refusal, row: string, from?: string, key?: number) => void
}

/** @param source its name in the log and in dead letters */
export function gpuParts(
  { settings, logger, throttle }: Context,
  opened: OpenPublisher,
  letters: SourceLetters,
  source: string,
): GpuParts {
  const readings = new GpuReadings({
    ...{ table: new SeriesTable(), host: settings.agent.host, tagLabels: settings.gpu.tagLabels },
    onUnknownUnit: (metric, help) =>
      logger.warn({ metric, help }, 'nothing says the unit of a metric of GPUs: it is kept as it came'),
  })
  const repeats = new Repeats()
  const onRefused: GpuParts['onRefused'] = ({ reason, detail }, row, file, key) => {
    if (key === undefined || repeats.isNew(key, performance.now())) {
      const from = file === undefined ? source : `${source} ${file}`
      letters.keep({ kind: reason === 'row_syntax' ? 'text' : 'message', reason, detail, source: from, payload: row })
    }
    const fields = { source, reason, detail, file, row: row.slice(0, SHOWN_CHARACTERS) }
    throttle.warn(`${source} ${reason}`, fields, 'a reading of a GPU is not taken')
  }
  return { ...opened, readings, onRefused }
}
