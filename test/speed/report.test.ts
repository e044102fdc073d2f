import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { remarks, store, table } from './report.ts'
import type { RowResult } from './result.ts'

const result = (id: string, rate: number | undefined): RowResult => ({
  ...{ id, what: id, command: 'npm run speed', notes: [`${id} is noted`], timeline: [], versions: {} },
  figures: [
    {
      ...{ name: 'rate', unit: '/s', decimals: 0, reach: { atLeast: 1000 } },
      ...(rate === undefined
        ? { values: [], median: undefined, spread: undefined }
        : { values: [rate], median: rate, spread: 20, met: rate >= 1000 }),
    },
    { name: 'ratio', unit: '', decimals: 1, values: [0.25], median: 0.25, spread: 0 },
  ],
  met: undefined,
  measured: {
    at: '2026-01-01T00:00:00.000Z',
    machine: { cpu: 'a', cores: 2, memoryBytes: 1, kernel: 'Linux', loadAverage: 0 },
    node: 'v20',
    commit: undefined,
  },
})

describe('table', () => {
  it('has a line for each figure, and a dash for what could not be measured', () => {
    expect(table([result('a', 1234.4), result('b', undefined), result('c', 999)]).split('\n')).toEqual([
      '| row | figure | median | spread | reach | met |',
      '| --- | --- | --- | --- | --- | --- |',
      '| a | rate | 1,234 /s | 20 | ≥ 1,000 | yes |',
      '|  | ratio | 0.3 | 0.0 |  |  |',
      '| b | rate | – /s | – | ≥ 1,000 |  |',
      '|  | ratio | 0.3 | 0.0 |  |  |',
      '| c | rate | 999 /s | 20 | ≥ 1,000 | no |',
      '|  | ratio | 0.3 | 0.0 |  |  |',
    ])
    expect(remarks([result('a', 1)])).toEqual(['a: a is noted'])
  })
})

describe('store', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-speed-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('replaces rows that were measured again, keeps the others, and forgets those that are gone', async () => {
    const path = join(folder, 'new', 'speed.json')
    const kept = async () => {
      const { rows } = JSON.parse(await readFile(path, 'utf8')) as { rows: RowResult[] }
      return rows.map(({ id, figures }) => [id, figures[0]?.median])
    }
    store(path, [result('b', 1), result('gone', 1)], ['a', 'b', 'gone'])
    expect(await kept()).toEqual([
      ['b', 1],
      ['gone', 1],
    ])
    store(path, [result('b', 2), result('a', 3)], ['a', 'b'])
    expect(await kept()).toEqual([
      ['a', 3],
      ['b', 2],
    ])
  })
})
