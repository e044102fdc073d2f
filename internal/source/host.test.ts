import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { encodeLineText } from '../line/encode.ts'
import type { Sample } from '../sample/sample.ts'
import { SeriesTable } from '../sample/series.ts'
import type { FileSystemSize } from './host/disk.ts'
import { createHostSource, HOST_MEASUREMENTS, type HostSourceOptions, hostFacts } from './host.ts'
import type { Problem } from './source.ts'

const TESTDATA = join(import.meta.dirname, 'host/testdata')
const AT_US = 1_763_900_000_000_000

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'host-'))
  folders.push(folder)
  return folder
}

/** A source under `root`, with what it emitted and said. */
function sourceUnder(root: string, options: Partial<HostSourceOptions> = {}) {
  const problems: Problem[] = []
  const source = createHostSource({
    host: 'web-01',
    table: new SeriesTable(),
    procRoot: join(root, 'proc'),
    sysRoot: join(root, 'sys'),
    mountRoot: join(root, 'root'),
    onProblem: (problem) => problems.push(problem),
    platform: 'linux',
    ...options,
  })
  const collect = async (atUs: number) => {
    const lines: string[] = []
    await source.collect(atUs, (sample) => lines.push(encodeLineText(sample)))
    return lines
  }
  return { source, problems, collect }
}

/**
 * A case is a folder with `tick0`, the machine when the agent starts; `tick1` and so on, what has changed a second later each time, with
 * `gone.txt` for what was there and is not; `statfs.json`, what the kernel says of the size of its file systems; and
 * `expected.lp`, all samples as line protocol.
 */
test.each(readdirSync(TESTDATA))('recorded machine: %s', async (name) => {
  const folder = join(TESTDATA, name)
  const root = temporaryFolder()
  cpSync(join(folder, 'tick0'), root, { recursive: true })
  const statfs = join(folder, 'statfs.json')
  const sizes: Record<string, FileSystemSize> = existsSync(statfs) ? JSON.parse(readFileSync(statfs, 'utf8')) : {}
  let nowMs = 0
  const { source, problems, collect } = sourceUnder(root, {
    monotonicMs: () => nowMs,
    askFileSystem: async (path) => {
      const size = sizes[path.slice(join(root, 'root').length) || '/']
      if (size === undefined) throw new Error(`ENOENT: no such file or directory, statfs`)
      return size
    },
  })
  const said: string[] = []
  for (let tick = 1; existsSync(join(folder, `tick${tick}`)); tick++) {
    cpSync(join(folder, `tick${tick}`), root, { recursive: true })
    const gone = join(folder, `tick${tick}`, 'gone.txt')
    if (existsSync(gone)) for (const path of readFileSync(gone, 'utf8').trim().split('\n')) rmSync(join(root, path))
    nowMs = tick * 1000
    said.push(`# tick ${tick}`, ...(await collect(AT_US + tick * 1e6)))
  }
  said.push('# problems', ...problems.map(({ part, message }) => `${part}: ${message}`.replaceAll(root, '')))
  said.push(
    '# unavailable',
    ...[...source.unavailable].map(([figures, why]) => `${figures}: ${why}`.replaceAll(root, '')),
  )
  await expect(`${said.join('\n')}\n`).toMatchFileSnapshot(join(folder, 'expected.lp'))
})
