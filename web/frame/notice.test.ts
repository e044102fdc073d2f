import { describe, expect, it } from 'vitest'
import type { Host } from '../shared/api.ts'
import { ApiError } from '../shared/api-error.ts'
import { gpusNoticeOf, noticeOf, type Situation } from './notice.ts'

const host = (name: string, silentMs = 0): Host => ({
  host: name,
  lastSeenAt: (1_763_900_000_000 - silentMs) * 1000,
  ageMs: silentMs,
  stale: silentMs > 10_000,
  ...{
    clockOffsetMs: 0,
    cpuPercent: 1,
    memPercent: 1,
    load1: 1,
    cores: 8,
    uptimeSeconds: 1,
    os: null,
    agentVersion: null,
    conflict: null,
  },
})

const WEB = host('web-01')
const SILENT = host('old-7', 3 * 3_600_000)

const GPUS_ALONE: Host = { ...WEB, cpuPercent: null, memPercent: null, gpu_count: 8 }

/** A page that shows web-01 live and has drawn its charts. */
const WELL: Situation = {
  api: 'ok',
  isPolled: true,
  hosts: [WEB, SILENT],
  shownHost: 'web-01',
  host: WEB,
  loadError: null,
  isEmpty: false,
  period: { range: '5m' },
  go: () => {},
  showGpus: () => {},
}

const STORE_AWAY = new ApiError(503, 'The store is away.')
const NOT_FOUND = new ApiError(404, 'There is no such host.')

describe('the notice in place of the charts', () => {
  it.each<[string, Partial<Situation>, string | undefined]>([
    ['all is well', {}, undefined],
    ['the limit was reached at once', { api: 'limited', isPolled: false, shownHost: null }, 'Too many requests'],
    ['the limit was reached', { api: 'limited' }, undefined],
    ['the first answer is on its way', { isPolled: false, hosts: [], shownHost: null }, undefined],
    ['the API never answered', { api: 'away', isPolled: false, shownHost: null }, 'The API does not answer'],
    ['the API stopped answering', { api: 'away' }, undefined],
    ['no host has sent anything', { hosts: [], shownHost: null }, 'Waiting for the first sample'],
    [
      'the host is unknown',
      { shownHost: 'x', host: undefined, loadError: NOT_FOUND, isEmpty: true },
      'No host named x',
    ],
    ['the store is away', { loadError: STORE_AWAY, isEmpty: true }, 'History is not available now'],
    ['the store is away, and live samples have come', { loadError: STORE_AWAY }, undefined],
    ['the range has no samples', { isEmpty: true }, 'Nothing recorded here'],
    ['an exporter of GPUs is all there is', { isEmpty: true, host: GPUS_ALONE }, '8 GPUs, and no agent'],
    ['the exporter is silent', { isEmpty: true, host: { ...GPUS_ALONE, stale: true } }, 'Nothing recorded here'],
    ['history did not come', { isEmpty: true, loadError: new ApiError(0, 'broken') }, 'Nothing recorded here'],
  ])('%s', (_, differs, title) => expect(noticeOf({ ...WELL, ...differs })?.title).toBe(title))

  it('leads from a silent host to its last hour', () => {
    const went: unknown[] = []
    const go: Situation['go'] = (name, period) => went.push([name, period])
    const notice = noticeOf({ ...WELL, shownHost: 'old-7', host: SILENT, isEmpty: true, period: { range: '1h' }, go })
    expect(notice?.text).toBe('old-7 has no samples in the last 1 h. Its last sample came 3 h ago.')
    expect(notice?.actions?.map(({ label }) => label)).toEqual(['Show its last hour', 'Show the last 5 minutes'])
    for (const { act } of notice?.actions ?? []) act()
    const seenAtMs = SILENT.lastSeenAt / 1000
    const lastHour = { fromMs: seenAtMs - 3_600_000, toMs: seenAtMs + 1000 }
    expect(went).toEqual([
      ['old-7', lastHour],
      ['old-7', { range: '5m' }],
    ])
  })

  it('leads from a host with an exporter alone to its GPUs', () => {
    const went: string[] = []
    const notice = noticeOf({ ...WELL, host: GPUS_ALONE, isEmpty: true, showGpus: (name) => went.push(name) })
    for (const { act } of notice?.actions ?? []) act()
    expect(went).toEqual(['web-01'])
  })
})

describe('the notice in place of the GPUs', () => {
  it.each([
    ['ok', 'some', undefined],
    ['ok', 'unknown', undefined],
    ['ok', 'none', 'No GPU yet'],
    ['away', 'unknown', 'The API does not answer'],
    ['away', 'some', undefined],
    ['limited', 'unknown', 'Too many requests'],
  ] as const)('%s, %s', (api, gpus, title) => expect(gpusNoticeOf(api, gpus)?.title).toBe(title))
})
