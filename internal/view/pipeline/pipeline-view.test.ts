import { describe, expect, it } from 'vitest'
import { LiveWay } from '../../../test/support/live-feed.ts'
import type { FieldValue } from '../../sample/value.ts'
import { PipelineView } from './pipeline-view.ts'

const SERVER = {
  ...{ samples_per_second: 100, e2e_p99_us: 3000, lost: 1n, dropped: 0n, rejected: 2n, held: 3n },
  ...{ store: 'duckdb', broker: 'memory' },
}

type Program = readonly [role: string, host: string, fields: Readonly<Record<string, FieldValue>>]

async function open(programs: readonly Program[]): Promise<{ way: LiveWay; view: PipelineView }> {
  const way = new LiveWay()
  await way.table.open()
  for (const [role, host, fields] of programs) way.send('sentinel_pipeline', { role, host }, fields)
  return { way, view: new PipelineView(way.table, way.clock.monotonicMs) }
}

const summaryOf = async (programs: readonly Program[]) => (await open(programs)).view.summary

describe('the summary of the pipeline', () => {
  it('has sums over servers and agents, and the latency of the slowest server', async () => {
    const { way, view } = await open([
      ['server', 'a', SERVER],
      ['server', 'b', { ...SERVER, e2e_p99_us: 9000 }],
      ['agent', 'a', { dropped: 4n, held: 1n }],
    ])
    expect(view.summary).toEqual({
      ...{ programs: 3, servers: 2, seenAt: way.clock.time, samplesPerSecond: 200 },
      ...{ e2eP50Us: null, e2eP99Us: 9000, durableP50Us: null, durableP99Us: null },
      ...{ lost: 2, dropped: 4, rejected: 4, held: 7 },
      // An older server does not send these.
      ...{ onDisk: 0, deadLetters: null, lostAtMost: 0, storeAwayMs: null, lostKnown: true },
      ...{ serversBehind: 0, broker: 'memory', store: 'duckdb' },
    })
  })

  it('says that nothing is known before the first report', async () => {
    expect(await summaryOf([])).toMatchObject({ programs: 0, servers: 0, seenAt: null, deadLetters: null })
  })

  it('leaves out programs that have been silent for too long, and says when a server was last heard', async () => {
    const { way, view } = await open([['server', 'a', SERVER]])
    const seenAt = way.clock.time
    way.clock.time += 10_001_000
    way.send('sentinel_pipeline', { role: 'agent', host: 'b' }, { held: 5n })
    expect(view.summary).toMatchObject({ programs: 1, servers: 0, seenAt, held: 5, broker: null })
    // An agent may report every minute.
    way.send('sentinel_pipeline', { role: 'agent', host: 'b' }, { held: 6n, interval_ms: 60_000n })
    way.clock.time += 60e6
    expect(view.summary).toMatchObject({ programs: 1, servers: 0, held: 6 })
  })

  it('does not say that nothing was lost when the loss is unknown', async () => {
    const programs: Program[] = [
      ['server', 'a', { ...SERVER, lost_known: true }],
      ['server', 'b', { ...SERVER, lost_known: false }],
    ]
    expect((await summaryOf(programs)).lostKnown).toBe(false)
  })

  it('counts the samples on disk, and takes the store that has been away longest', async () => {
    const here = { ...SERVER, store_ready: true, store_away_seconds: 0, spooled: 0n, dead_letters: 2n }
    const away = { ...here, store_ready: false, store_away_seconds: 125.4, held: 12_310n, spooled: 12_300n }
    const programs: Program[] = [
      ['server', 'a', here],
      ['server', 'b', away],
      ['server', 'c', { ...away, store_away_seconds: 3 }],
    ]
    expect(await summaryOf(programs)).toMatchObject({ onDisk: 24_600, deadLetters: 6, storeAwayMs: 125_400 })
    expect(await summaryOf([['server', 'a', here]])).toMatchObject({ onDisk: 0, storeAwayMs: null })
  })

  it('counts the servers that are behind', async () => {
    const programs: Program[] = [
      ['server', 'a', { ...SERVER, behind: true }],
      ['server', 'b', { ...SERVER, behind: false }],
      // An older server does not say it.
      ['server', 'c', SERVER],
    ]
    expect((await summaryOf(programs)).serversBehind).toBe(1)
  })

  it('is made once a second for all clients, of all hosts', async () => {
    const { way, view } = await open(
      Array.from({ length: 1_000 }, (_, n) => ['agent', `web-${n}`, { held: 1n }] as const),
    )
    expect(view.summary).toMatchObject({ programs: 1_000, held: 1_000 })
    const event = view.event()
    way.send('sentinel_pipeline', { role: 'agent', host: 'one-more' }, { held: 1n })
    way.clock.time += 999_000
    expect(view.event()).toBe(event)
    way.clock.time += 1_000
    expect(view.event().toString()).toMatch(/^event: pipeline\ndata: {"programs":1001,.*}\n\n$/)
  })
})
