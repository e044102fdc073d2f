import { open } from 'node:fs/promises'
import type { Settings } from '../../internal/config/settings.ts'
import { GpuCsvReader } from '../../internal/gpu/csv-reader.ts'
import { type GpuCounts, GpuReadings } from '../../internal/gpu/readings.ts'
import type { Refusal } from '../../internal/sample/border.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { findFiles } from '../../internal/source/gpu-csv/files.ts'
import { countOf, countText } from '../../internal/text/count.ts'
import { errorText } from '../../internal/text/error-text.ts'
import type { Finding, Verdict } from './finding.ts'

/** Enough for some thousand rows. */
const READ_BYTES = 2 ** 20
/** Of a folder or a pattern so many files are read. */
const MAX_READ = 10
const LINE_FEED = 0x0a

/** Reads the beginning of each file of `gpu.csv`, as an agent does. Sends nothing, and notes nothing. */
export async function checkGpuFiles({ gpu, agent }: Pick<Settings, 'gpu' | 'agent'>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const add = (path: string, verdict: Verdict): void =>
    void findings.push({ part: 'gpu', ...verdict, text: `${path}: ${verdict.text}` })
  for (const path of gpu.csv) {
    const files = await findFiles([path])
    for (const file of files.slice(0, MAX_READ)) add(file.path, await checkFile(file.path, agent.host))
    const more = files.length - MAX_READ
    if (more > 0) add(path, { ok: true, text: `${countOf(more, 'further file')} not looked at` })
    if (files.length > 0) continue
    const waits = gpu.csvMode === 'follow' ? 'the agent waits for it' : 'is the path right?'
    add(path, { ok: gpu.csvMode === 'follow', warns: true, text: `there is no such file: ${waits}` })
  }
  return findings
}

async function checkFile(path: string, host: string): Promise<Verdict> {
  let bytes: Buffer
  try {
    bytes = await beginningOf(path)
  } catch (error) {
    return { ok: false, text: `it cannot be read: ${errorText(error)}; may this user read it?` }
  }
  const end = bytes.lastIndexOf(LINE_FEED) + 1
  if (end === 0) return { ok: true, warns: true, text: 'it has no whole line yet' }
  const refused: Refusal[] = []
  const readings = new GpuReadings({ table: new SeriesTable(), host })
  const reader = new GpuCsvReader({ readings, onRefused: (refusal) => void refused.push(refusal) })
  reader.begin(bytes.subarray(0, end))
  while (reader.next());
  const gpus = new Set<string>()
  readings.flush(({ series }) => {
    if (series.measurement === 'gpu') gpus.add(series.key)
  })
  return verdictOf(readings.counts, gpus.size, refused[0])
}

function verdictOf({ read, taken, missing }: Readonly<GpuCounts>, gpus: number, refused: Refusal | undefined): Verdict {
  if (read === 0) return { ok: true, warns: true, text: 'it has a header and no row yet' }
  const first = refused === undefined ? '' : `; the first that is refused: ${refused.reason}, ${refused.detail}`
  if (taken === 0 && refused !== undefined)
    return { ok: false, text: `none of its first ${countOf(read, 'row')} is taken${first}` }
  const counts = `${countOf(taken, 'value')} of ${countOf(gpus, 'GPU')}, ${countText(missing)} missing, ${countText(read - taken - missing)} refused`
  return { ok: true, warns: refused !== undefined, text: `its first ${countOf(read, 'row')}: ${counts}${first}` }
}

async function beginningOf(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
