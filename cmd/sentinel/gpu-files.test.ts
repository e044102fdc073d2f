import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadSettings } from '../../internal/config/load.ts'
import { ROW_COLUMNS } from '../../internal/gpu/rows.ts'
import { ROLES } from '../program/roles.ts'
import { checkGpuFiles } from './gpu-files.ts'

const HEADER = `${ROW_COLUMNS.join(',')}\n`
const row = (value: string, metric = 'DCGM_FI_DEV_GPU_UTIL'): string =>
  `2025-07-18T20:42:34Z,${metric},0,nvidia0,GPU-1,H100,n1,,,,${value},\n`

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sentinel-gpu-files-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** What is found of a path, as `ok`, `warn` or `FAIL`, and in words. */
async function found(path: string, mode = 'follow'): Promise<string[]> {
  const flags = { 'gpu.csv': join(folder, path), 'gpu.csvMode': mode, 'broker.kind': 'streams' }
  const findings = await checkGpuFiles(loadSettings(ROLES.agent, flags, {}).settings)
  return findings.map(
    ({ ok, warns, text }) => `${ok ? (warns === true ? 'warn' : 'ok') : 'FAIL'} ${text.replace(`${folder}/`, '')}`,
  )
}

describe('a file of readings', () => {
  const cases: Array<[what: string, content: string, expected: RegExp]> = [
    [
      'good',
      `${HEADER}${row('57')}${row('', 'DCGM_FI_DEV_POWER_USAGE')}`,
      /^ok f\.csv: its first 2 rows: 1 value of 1 GPU, 1 missing, 0 refused$/,
    ],
    ['without a header', row('57'), /^ok f\.csv: its first 1 row: 1 value/],
    [
      'with a bad row',
      `${HEADER}${row('57')}${row('4294967295', 'DCGM_FI_DEV_DEC_UTIL')}`,
      /^warn f\.csv: its first 2 rows: 1 value of 1 GPU, 0 missing, 1 refused; the first that is refused: out_of_range, /,
    ],
    [
      'of another kind',
      'a,b\n1,2\n',
      /^FAIL f\.csv: none of its first 2 rows is taken; the first that is refused: row_syntax, 2 cells, and not 12$/,
    ],
    ['with a header alone', HEADER, /^warn f\.csv: it has a header and no row yet$/],
    ['empty', '', /^warn f\.csv: it has no whole line yet$/],
  ]
  it.each(cases)('that is %s', async (_what, content, expected) => {
    await writeFile(join(folder, 'f.csv'), content)
    expect(await found('f.csv')).toEqual([expect.stringMatching(expected)])
  })

  it('that is not there is waited for where files are followed, and else a mistake', async () => {
    expect(await found('f.csv')).toEqual(['warn f.csv: there is no such file: the agent waits for it'])
    expect(await found('f.csv', 'once')).toEqual(['FAIL f.csv: there is no such file: is the path right?'])
  })

  it('of a folder are looked at up to a number', async () => {
    await mkdir(join(folder, 'many'))
    for (let i = 10; i < 22; i++) await writeFile(join(folder, 'many', `${i}.csv`), row('1'))
    const all = await found('many')
    expect([all.length, all.at(-1)]).toEqual([11, 'ok many: 2 further files not looked at'])
  })
})
