import { describe, expect, it } from 'vitest'
import { blankHeader } from '../codec/codec.ts'
import { type Series, SeriesTable } from '../sample/series.ts'
import { type Conflict, Identities } from './identities.ts'

const SECOND_US = 1_000_000
const NOW_US = 1_763_900_000 * SECOND_US

function scene() {
  const seen: Conflict[] = []
  const table = new SeriesTable()
  const identities = new Identities({ table, onConflict: (conflict) => seen.push(conflict) })
  /** A message of a run about a host, `atS` seconds after the beginning by its own clock, and by ours. */
  const send = (run: string, atS: number, arrivedS = atS, host = 'web-01'): void => {
    const tags = host === '' ? [] : ([['host', host]] as const)
    const known = table.intern('cpu', tags, NOW_US) as Series
    const sentAt = NOW_US + atS * SECOND_US
    identities.observe(known, { ...blankHeader(), run, sentAt }, NOW_US + arrivedS * SECOND_US)
  }
  const at = (seconds: number) => identities.conflicts(NOW_US + seconds * SECOND_US)
  const texts = (seconds: number): unknown[][] => {
    const samples: unknown[][] = []
    identities.collect(NOW_US + seconds * SECOND_US, ({ series, values }) =>
      samples.push([series.measurement, series.tag('host'), ...values]),
    )
    return samples
  }
  return { seen, send, at, texts }
}

const CONFLICT = { host: 'web-01', runs: ['a', 'b'] }

describe('two sources of one name', () => {
  it('are found once both have sent for some seconds', () => {
    const { seen, send, at } = scene()
    for (let s = 0; s < 5; s++) for (const run of ['a', 'b']) send(run, s)
    expect(seen).toEqual([])
    for (let s = 5; s < 10; s++) for (const run of ['b', 'a']) send(run, s)
    expect(seen.length).toBeGreaterThan(0)
    expect(at(10)).toEqual([CONFLICT])
  })

  it('are found among three, and where one of them has a clock that is minutes behind', () => {
    const three = scene()
    for (let s = 0; s < 10; s++) for (const run of ['a', 'b', 'c']) three.send(run, s)
    expect(three.at(10)).toHaveLength(1)
    const behind = scene()
    for (let s = 0; s < 400; s++) {
      behind.send('a', s - 300, s)
      behind.send('b', s)
    }
    expect(behind.at(400)).toEqual([CONFLICT])
  })

  it('are over a minute after one of them has stopped, and a sample says so', () => {
    const { send, at, texts } = scene()
    for (let s = 0; s < 10; s++) for (const run of ['a', 'b']) send(run, s)
    expect(texts(10)).toEqual([
      ['sentinel_conflict', 'web-01', expect.stringMatching(/^a and b both send .*--agent-host/)],
    ])
    for (let s = 10; s < 120; s++) send('b', s)
    expect(at(120)).toEqual([])
    expect(texts(120)).toEqual([['sentinel_conflict', 'web-01', '']])
    expect(texts(121)).toEqual([])
  })

  it('are found where they send once in minutes, and for as long as both do', () => {
    const { at, send } = scene()
    for (let s = 0; s < 3600; s += 300) {
      send('a', s)
      send('b', s + 120)
      if (s >= 600) expect(at(s + 299)).toEqual([CONFLICT])
    }
    for (let s = 3600; s < 7200; s += 300) send('b', s + 120)
    expect(at(7200)).toEqual([])
  })

  it('are over when our clock is set back, unless they are seen again', () => {
    const { at, send } = scene()
    for (let s = 0; s < 10; s++) for (const run of ['a', 'b']) send(run, s)
    expect(at(-7200)).toEqual([])
    for (const run of ['a', 'b', 'a']) send(run, 10, -7190)
    expect(at(-7189)).toEqual([CONFLICT])
  })

  it('are not an agent that is started again after the clock of its machine was set back', () => {
    const { seen, send } = scene()
    for (let s = 0; s < 100; s++) send('a', s)
    for (let s = 0; s < 90; s++) send('b', s, 100 + s)
    expect(seen).toEqual([])
  })

  it('are not a process and the one before it, whose samples it sends besides its own', () => {
    const { seen, send } = scene()
    for (let s = 0; s < 20; s++) send('a', s)
    for (let s = 0; s < 100; s++) {
      send('b', 500 + s)
      send('a', 20 + s, 500 + s)
    }
    expect(seen).toEqual([])
  })

  it.each([
    ['runs of other hosts', ['a', 'b'], ['web-01', 'web-02']],
    ['messages without a run id', ['', ''], ['web-01', 'web-01']],
    ['series without a host', ['a', 'b'], ['', '']],
  ])('are not %s', (_name, runs, hosts) => {
    const { seen, send } = scene()
    for (let s = 0; s < 20; s++) for (const i of [0, 1]) send(runs[i]!, s, s, hosts[i]!)
    expect(seen).toEqual([])
  })
})
