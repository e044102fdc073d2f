import { FrameRowEncoder } from '../../internal/codec/frame-rows.ts'
import { blankHeader } from '../../internal/codec/codec.ts'
import type { LoadedSettings } from '../../internal/config/load.ts'
import { GpuReadings } from '../../internal/gpu/readings.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { type Reading, TextReader } from '../../internal/source/scrape/text-reader.ts'
import { TargetError, type TargetProblem } from '../../internal/source/target-error.ts'
import { countOf, countText } from '../../internal/text/count.ts'
import { type OpenScrapeTarget, openScrapeTargets } from '../agent/scrape-targets.ts'
import type { Finding, Verdict } from './finding.ts'

const NEXT_STEPS: Readonly<Partial<Record<TargetProblem, string>>> = {
  unreachable: 'is it running, are its address and port right, and is caFile that of its certificate?',
  timeout: 'raise scrape.timeoutMs if it needs so long',
  status: 'are the path of its address, and what it is asked with, right?',
  not_metrics: "is this the address of its metrics in Prometheus' text?",
  credentials: 'may this user read the file?',
}

/** Asks each target of `scrape.targets` once, as an agent does, and reads its lines. Sends nothing. */
export async function checkScrapeTargets({ settings }: LoadedSettings): Promise<readonly Finding[]> {
  return Promise.all(
    openScrapeTargets(settings).map(async (open) => {
      const verdict = await checkTarget(open, settings.scrape.maxSeries)
      return { part: 'scrape', ...verdict, text: `${open.target.name}: ${verdict.text}` }
    }),
  )
}

async function checkTarget({ target, tags }: OpenScrapeTarget, maxSeries: number): Promise<Verdict> {
  const gpus = new GpuReadings({ table: new SeriesTable(), host: tags.host })
  const encoder = new FrameRowEncoder()
  let found = 0
  const send = async (): Promise<void> => void encoder.finish(blankHeader())
  try {
    const body = await target.ask(new AbortController().signal)
    if (body === undefined) return { ok: true, warns: true, text: 'it answers, and has nothing to say' }
    const reader = new TextReader({ tags, maxSeries, gpus, encoder, send })
    const reading = await reader.read(body, Date.now() * 1000)
    gpus.flush(({ series }) => {
      if (series.measurement === 'gpu') found++
    })
    return verdictOf(reading, reader, found)
  } catch (error) {
    if (!(error instanceof TargetError)) throw error
    const next = NEXT_STEPS[error.problem]
    return { ok: false, text: next === undefined ? error.message : `${error.message}: ${next}` }
  } finally {
    target.close()
  }
}

function verdictOf({ lines, values, bad, firstBad }: Reading, { leftOut }: TextReader, gpus: number): Verdict {
  const found = `${countOf(values, 'value')} in ${countOf(lines, 'line')}${gpus > 0 ? `, of ${countOf(gpus, 'GPU')}` : ''}`
  const reasons = [...leftOut].flatMap(([reason, count]) => (count > 0 ? [`${countText(count)} ${reason}`] : []))
  const without = reasons.length === 0 ? '' : `; without a value: ${reasons.join(', ')}`
  if (bad === 0) return { ok: true, text: `${found}${without}` }
  return { ok: true, warns: true, text: `${found}${without}; the first bad one: ${firstBad}` }
}
