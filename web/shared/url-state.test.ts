import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lengthOf, RANGES } from './period.ts'
import {
  COMPARISONS,
  FABRIC_VIEW,
  formatState,
  GPU_METRIC_NAMES,
  GPUS_VIEW,
  parseState,
  QUEUE_VIEW,
  VIEWS,
} from './url-state.ts'

const FROM = Date.parse('2025-11-23T12:00:00Z')

describe('a link', () => {
  it.each([
    ['', { host: null, period: { range: '5m' } }],
    [
      '?view=queue&open=telemetry:3&host=a',
      { view: 'queue', host: 'a', period: { range: '5m' }, queue: { open: 'telemetry:3' } },
    ],
    ['?view=nothing', { host: null, period: { range: '5m' } }],
    [
      '?view=fabric',
      {
        view: 'fabric',
        host: null,
        period: { range: '5m' },
        fabric: { fabric: null, metric: null, by: 'value', id: null },
      },
    ],
    [
      '?view=fabric&fabric=ib&metric=PortXmitWait&id=0x1_2&by=rate&host=web-01&range=1h',
      {
        view: 'fabric',
        host: 'web-01',
        period: { range: '1h' },
        fabric: { fabric: 'ib', metric: 'PortXmitWait', by: 'rate', id: '0x1_2' },
      },
    ],
    [
      '?view=gpus&metric=power&order=worst&filter=train&gpu=node-7/GPU-1&port=0x1_2&fabric=ib&range=1h',
      {
        view: 'gpus',
        host: null,
        period: { range: '1h' },
        gpus: { metric: 'power', order: 'worst', filter: 'train', gpu: 'node-7/GPU-1', port: '0x1_2', fabric: 'ib' },
      },
    ],
    ['?view=gpus&metric=noise', { view: 'gpus', host: null, period: { range: '5m' } }],
    ['?host=web-01', { host: 'web-01', period: { range: '5m' } }],
    ['?host=web-01&range=7d', { host: 'web-01', period: { range: '7d' } }],
    ['?host=a%26b%20c&range=1h', { host: 'a&b c', period: { range: '1h' } }],
    [
      '?host=x&from=2025-11-23T12:00:00.000Z&to=2025-11-23T12:05:00.000Z',
      { host: 'x', period: { fromMs: FROM, toMs: FROM + 300_000 } },
    ],
    ['?host=x&range=90y', { host: 'x', period: { range: '5m' } }],
    ['?host=x&from=yesterday&to=today&range=6h', { host: 'x', period: { range: '6h' } }],
    ['?from=2025-11-23T12:00:00Z&to=2025-11-23T11:00:00Z', { host: null, period: { range: '5m' } }],
  ])('%s', (query, state) =>
    expect(parseState(query)).toEqual({
      ...{ view: 'hosts', fabric: FABRIC_VIEW, gpus: GPUS_VIEW, queue: QUEUE_VIEW },
      ...state,
    }),
  )

  it('brings back the state that it was made from', () => {
    const range = fc.constantFrom(...RANGES.map(({ name }) => ({ range: name })))
    const span = fc
      .tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 1, max: 1e9 }))
      .map(([fromMs, length]) => ({ fromMs, toMs: fromMs + length }))
    const name = fc.string({ minLength: 1, unit: 'grapheme' })
    const orNone = fc.option(name)
    const by = fc.constantFrom(...COMPARISONS)
    const fabric = fc.record({ fabric: orNone, metric: orNone, id: orNone, by })
    const metric = fc.constantFrom(...GPU_METRIC_NAMES)
    const order = fc.constantFrom('host' as const, 'worst' as const)
    const gpus = fc.record({ metric, order, filter: fc.string(), gpu: orNone, port: orNone, fabric: orNone })
    const queue = fc.record({ open: orNone })
    const view = fc.constantFrom(...VIEWS)
    // A link has the state of the view that it shows.
    const state = fc.record({ view, host: name, period: fc.oneof(range, span), fabric, gpus, queue }).map((made) => ({
      ...made,
      fabric: made.view === 'fabric' ? made.fabric : FABRIC_VIEW,
      gpus: made.view === 'gpus' ? made.gpus : GPUS_VIEW,
      queue: made.view === 'queue' ? made.queue : QUEUE_VIEW,
    }))
    fc.assert(
      fc.property(state, (made) => {
        expect(parseState(formatState(made))).toEqual(made)
      }),
    )
  })

  it('reads well', () => {
    const period = { fromMs: FROM, toMs: FROM + 1000 }
    const others = { fabric: FABRIC_VIEW, gpus: GPUS_VIEW, queue: QUEUE_VIEW }
    expect(formatState({ view: 'hosts', host: 'web-01', period, ...others })).toBe(
      '?host=web-01&from=2025-11-23T12:00:00.000Z&to=2025-11-23T12:00:01.000Z',
    )
    expect(lengthOf(period)).toBe(1000)
  })
})
