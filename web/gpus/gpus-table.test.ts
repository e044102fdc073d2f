import { describe, expect, it } from 'vitest'
import type { GpuTexts } from '../shared/api.ts'
import { gpuOfKey, keyOf, matches, nameOf, resourceOf } from './gpu.ts'
import { byHost, cellsOf, inOrderOf, rankOf, worstFirst } from './gpu-cells.ts'
import { marksOf } from './gpu-events.ts'
import { colourRange, GPU_METRICS, gpuText } from './gpu-metrics.ts'
import { gpuPanels } from './gpu-panels.ts'
import { fleetFacts, tipText } from './gpus-text.ts'
import { GpusTable } from './gpus-table.ts'

const texts = (n: number, hostname: string | null, more: Partial<GpuTexts> = {}): GpuTexts => ({
  ...{ n, uuid: `GPU-${n}`, gpu_id: `${n % 8}`, model_name: 'H100', hostname, mig: null, pod: null, namespace: null },
  ...more,
})
const COLUMNS = ['n', 'state', 'utilization_percent', 'temperature_celsius', 'xid', 'seen']
const NOW_MS = 1_000_000
const [UTILIZATION, , TEMPERATURE] = GPU_METRICS as [(typeof GPU_METRICS)[0], unknown, (typeof GPU_METRICS)[0]]

/** Three hosts, of which the second is idle, and the third has a GPU that is stale. */
function fleet(): GpusTable {
  const table = new GpusTable()
  const gpus = [texts(0, 'a'), texts(1, 'a'), texts(8, 'b'), texts(16, 'c'), texts(17, 'c', { pod: 'train-1' })]
  table.takeList({ whole: true, gpus })
  const rows = [
    [0, 0, 90, 60, 0],
    [1, 0, 80, 71, 79],
    [8, 0, 0, 30, null],
    [16, 1, null, null, null, (NOW_MS - 180_000) * 1000],
    [17, 0, 50, 88, 0],
  ]
  table.takeFigures({ newest: (NOW_MS - 400) * 1000, columns: COLUMNS, rows })
  return table
}

const hostsOf = (groups: ReturnType<typeof byHost>): string[] => groups.map(([first]) => first!.host)

describe('the GPUs of a stream', () => {
  it('keep their figures until others come, whatever the order of the columns', () => {
    const table = fleet()
    table.takeFigures({ newest: 0, columns: ['xid', 'utilization_percent', 'n', 'state'], rows: [[31, 70, 0, 0]] })
    expect(table.gpus[0]).toMatchObject({
      key: 'a/GPU-0',
      isStale: false,
      figures: { utilization_percent: 70, xid: 31 },
    })
    expect(table.gpus[1]!.figures.utilization_percent).toBe(80)
  })

  it('get other texts, and keep figures and places', () => {
    const table = fleet()
    table.takeList({ whole: false, gpus: [texts(8, 'b', { pod: 'train-2' })] })
    expect(table.gpus.map(({ n }) => n)).toEqual([0, 1, 8, 16, 17])
    expect(table.gpus[2]).toMatchObject({ pod: 'train-2', figures: { temperature_celsius: 30 } })
  })

  it('are gone with a whole list that has them no more', () => {
    const table = fleet()
    table.takeList({ whole: true, gpus: [texts(8, 'b'), texts(99, 'd')] })
    expect(table.gpus.map(({ key, figures }) => [key, figures.temperature_celsius])).toEqual([
      ['b/GPU-8', 30],
      ['d/GPU-99', undefined],
    ])
  })
})

describe('the age of the figures', () => {
  const of = { nowMs: NOW_MS, isStale: false }

  it('stands under the name of the view, that of the newest ones', () => {
    const { gpus, newestAtMs } = fleet()
    expect(fleetFacts(gpus, gpus, { ...of, newestAtMs })).toBe(
      '5 GPUs · 3 hosts · 1 stale · 1 with an Xid · seen 0.4 s ago',
    )
    expect(fleetFacts(gpus, gpus.slice(3, 4), { ...of, newestAtMs: NOW_MS - 180_000, isStale: true })).toBe(
      '1 of 5 GPUs · 1 host · 1 stale · stale, seen 3 min ago',
    )
    expect(fleetFacts(gpus, gpus.slice(0, 1), { ...of, newestAtMs: 0 })).toBe('1 of 5 GPUs · 1 host')
    expect(fleetFacts([], [], { ...of, newestAtMs })).toBe('')
  })

  it('stands beside a cell that is stale, in place of its figures', () => {
    const [, , , stale, fresh] = fleet().gpus
    expect(tipText(stale!, NOW_MS)).toBe('stale, seen 3 min ago')
    expect(tipText(fresh!, NOW_MS)).toBe('utilisation 50.0 %\nmemory –\ntemperature 88 °C\npower –\ntrain-1')
  })

  it('moves where no figure changes', () => {
    const table = fleet()
    const before = table.gpus
    table.takeFigures({ newest: NOW_MS * 1000, columns: COLUMNS, rows: [] })
    expect([table.newestAtMs, table.gpus]).toEqual([NOW_MS, before])
  })
})

describe('the cells', () => {
  it('stand by host, in the order of the API, with what is stale and what had an Xid', () => {
    expect(cellsOf(byHost(fleet().gpus), TEMPERATURE)).toEqual({
      ids: ['a/GPU-0', 'a/GPU-1', 'b/GPU-8', 'c/GPU-16', 'c/GPU-17'],
      values: [60, 71, 30, null, 88],
      groups: [
        { name: 'a', count: 2 },
        { name: 'b', count: 1 },
        { name: 'c', count: 2 },
      ],
      stale: [false, false, false, true, false],
      marked: [false, true, false, false, false],
    })
  })

  it('stand with the host of the worst one first, where that is wanted', () => {
    const groups = byHost(fleet().gpus)
    expect(hostsOf(worstFirst(groups, TEMPERATURE))).toEqual(['c', 'a', 'b'])
    expect(hostsOf(worstFirst(groups, UTILIZATION))).toEqual(['b', 'c', 'a'])
    expect(hostsOf(inOrderOf(groups, ['c', 'b']))).toEqual(['c', 'b', 'a'])
  })

  it('are the worst where they are hot, or idle, and never where they are stale', () => {
    const ranks = fleet().gpus.map((gpu) => [rankOf(gpu, TEMPERATURE), rankOf(gpu, UTILIZATION)])
    expect(ranks).toEqual([
      [60, -90],
      [71, -80],
      [30, -0],
      [null, null],
      [88, -50],
    ])
  })

  it('say their value', () =>
    expect(fleet().gpus.map((gpu) => gpuText(gpu, TEMPERATURE))).toEqual(['60 °C', '71 °C', '30 °C', 'stale', '88 °C']))

  it.each([
    [TEMPERATURE, [61.2, null, 38], { low: 30, high: 70 }],
    [TEMPERATURE, [50, 50], { low: 50, high: 60 }],
    [TEMPERATURE, [null], undefined],
    [UTILIZATION, [50], { low: 0, high: 100 }],
  ])('are coloured in a range that stays while values move', (metric, values, range) =>
    expect(colourRange(values, metric)).toEqual(range),
  )
})

describe('a GPU', () => {
  it.each([
    [texts(3, 'a'), 'a/GPU-3', 'GPU 3', 'GPU-3', { hostname: 'a' }],
    [texts(3, 'a', { mig: '2' }), 'a/GPU-3/2', 'GPU 3 part 2', 'GPU-3', { hostname: 'a', mig: '2' }],
    [texts(3, 'a', { uuid: null }), 'a/3', 'GPU 3', '3', { hostname: 'a' }],
    [texts(3, null), '/GPU-3', 'GPU 3', 'GPU-3', {}],
  ])('%j has a name of its own, by which it is found when it is gone', (gpu, key, name, id, narrowed) => {
    expect([keyOf(gpu), nameOf(gpu), resourceOf(gpu)]).toEqual([key, name, { id, narrowed }])
    expect(resourceOf(gpuOfKey(key))).toEqual({ id, narrowed })
  })

  it.each([
    ['', 5],
    ['c', 2],
    ['TRAIN', 1],
    ['gpu-17', 1],
    ['gpu 0', 3],
    ['nobody', 0],
  ])('is found by “%s”', (filter, count) =>
    expect(fleet().gpus.filter((gpu) => matches(gpu, filter))).toHaveLength(count),
  )

  it('has charts of its own samples alone', () => {
    const [part] = fleet().gpus.slice(-1)
    const panel = gpuPanels({ ...part!, mig: '2' }).find(({ id }) => id === 'gpu-utilization')!
    const read = (tags: Record<string, string>): unknown[] => {
      const got: unknown[] = []
      const fields = { utilization_percent: 5, tensor_ratio: 0.25 }
      panel.makeReader()({ measurement: 'gpu', tags, fields, at: 1e6 }, (...value) => got.push(value))
      return got
    }
    expect(read({ host: 'c', mig: '2' })).toEqual([
      ['utilization_percent', 1000, 5],
      ['tensor_ratio', 1000, 25],
    ])
    const others: Record<string, string>[] = [{ host: 'c' }, { host: 'c', mig: '1' }, { host: 'other', mig: '2' }]
    for (const tags of others) expect(read(tags)).toEqual([])
  })

  it('has marks of what happened to it, its host and its port, and not of the Xids of others', () => {
    const event = { at: 5e6, kind: 'xid', text: 'Xid 31' } as const
    const events = [
      { ...event, gpu: 'GPU-1' },
      { ...event, gpu: 'GPU-2' },
      { ...event, kind: 'link_down' as const, text: 'down', gpu: null },
    ]
    expect(marksOf(events, 'GPU-1').map(({ atMs, text, colour }) => [atMs, text, colour])).toEqual([
      [5000, 'Xid 31', 'critical'],
      [5000, 'down', 'warning-fill'],
    ])
  })
})
