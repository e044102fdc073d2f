import { isBadLine, parseLines } from '../../format/line/parse.ts'
import { writeLineRecord } from '../../format/line/record.ts'
import { parsedSample } from '../../format/parsed-sample.ts'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import { LineBatch } from './batch.ts'

/** A full batch of lines without their newlines. They need not be valid line protocol. */
export function batchOfLines(lines: ReadonlyArray<string | Buffer>): LineBatch {
  const parts = lines.map((line) => Buffer.concat([Buffer.from(line), Buffer.from('\n')]))
  let end = 0
  const ends = Uint32Array.from(parts, (part) => {
    end += part.length
    return end
  })
  return LineBatch.from(writeLineRecord({ body: Buffer.concat(parts), ends }))
}

/** The sample of a line, with its time in nanoseconds. */
export function sampleOfLine(text: string): Sample {
  const [line] = parseLines(Buffer.from(text))
  if (line === undefined || isBadLine(line)) throw new Error(`not a line: ${text}`)
  const sample = parsedSample(line, new SeriesTable())
  if (isRefusal(sample)) throw new Error(sample.detail)
  return sample
}
