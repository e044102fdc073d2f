import { GpuReadings } from '../../internal/gpu/readings.ts'
import type { Refusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { Context, OpenPublisher } from '../program/context.ts'

/** How much of what is refused the log shows. */
const SHOWN_CHARACTERS = 300

/** What a source of readings needs. */
export interface GpuParts extends OpenPublisher {
  readonly readings: GpuReadings
  /** @param from a file, or nothing where there is one source */
  readonly onRefused: (refusal: Refusal, row: string, from?: string) => void
}

/** @param source its name in the log */
export function gpuParts({ settings, logger, throttle }: Context, opened: OpenPublisher, source: string): GpuParts {
  const readings = new GpuReadings({
    ...{ table: new SeriesTable(), host: settings.agent.host, tagLabels: settings.gpu.tagLabels },
    onUnknownUnit: (metric, help) =>
      logger.warn({ metric, help }, 'nothing says the unit of a metric of GPUs: it is kept as it came'),
  })
  const onRefused = ({ reason, detail }: Refusal, row: string, file?: string): void => {
    const fields = { source, reason, detail, file, row: row.slice(0, SHOWN_CHARACTERS) }
    throttle.warn(`${source} ${reason}`, fields, 'a reading of a GPU is not taken')
  }
  return { ...opened, readings, onRefused }
}
