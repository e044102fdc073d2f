import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sleep, startRedis, type TestServer, until } from '../../test/support/servers.ts'
import { openBroker } from '../broker/open.ts'
import { frameCodec } from '../codec/frame.ts'
import { LossTracker } from '../ingest/loss/loss.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { PublisherLedger } from '../sample/ledger.ts'
import { SeriesTable, seriesApart } from '../sample/series.ts'
import { WallClock } from '../time/clock.ts'
import { Publisher } from './publisher.ts'
import { runId } from './run-id.ts'

const logger = pino({ level: 'silent' })
const clock = new WallClock()
let redis: TestServer

beforeAll(async () => {
  redis = await startRedis()
})

afterAll(() => redis.stop())

describe('Publisher over Redis Pub/Sub', () => {
  it('loses nothing while servers come and go', async () => {
    const options = { kind: 'pubsub', redis: { url: redis.url }, logger } as const
    const agent = await openBroker(options)
    const ledger = new PublisherLedger()
    const publisher = new Publisher({
      broker: agent,
      codec: frameCodec,
      runId: runId('h', 'agent'),
      clock,
      logger,
      throttle: new LogThrottle(logger),
      ledger,
      heartbeatMs: 100,
    })
    await publisher.start()
    const series = seriesApart('m', [])
    series.field('n', 'float')
    let produced = 0
    const ticking = setInterval(() => {
      for (let i = 0; i < 3; i++) publisher.add({ series, values: [produced], at: ++produced, tie: 0 })
      publisher.flush()
    }, 1)

    const stored = new Map<number, number>()
    const refusals: unknown[] = []
    for (let round = 0; round < 10; round++) {
      const server = await openBroker(options)
      const decoder = frameCodec.decoder(new SeriesTable())
      const subscription = await server.subscribe((payload) => {
        const refusal = decoder.decode(payload, { receivedAt: 0, tie: 0 }, ({ at }) => {
          stored.set(at, (stored.get(at) ?? 0) + 1)
        })
        if (refusal !== undefined) refusals.push(refusal)
      })
      const before = stored.size
      await until('this server has some', () => stored.size > before + 50)
      if (round === 9) {
        clearInterval(ticking)
        await publisher.stop(AbortSignal.timeout(10_000))
      }
      await subscription.stop()
      await server.close()
      if (round < 9) await sleep(20)
    }
    await agent.close()

    expect([ledger.sent, ledger.dropped, ledger.held]).toEqual([produced, 0, 0])
    expect(stored.size).toBe(produced)
    expect([...stored].filter(([, times]) => times !== 1)).toEqual([])
    expect(refusals).toEqual([])
  })

  it('tells the servers what it gave up: sent = received − duplicates + lost, over all servers', async () => {
    const options = { kind: 'pubsub', redis: { url: redis.url }, logger } as const
    const agent = await openBroker(options)
    const ledger = new PublisherLedger()
    const publisher = new Publisher({
      ...{ broker: agent, codec: frameCodec, runId: runId('h', 'agent'), clock, logger, ledger },
      ...{ throttle: new LogThrottle(logger), heartbeatMs: 100, outboxMaxBytes: 10_000 },
    })
    await publisher.start()
    const series = seriesApart('m', [])
    series.field('n', 'float')
    const produce = async (ticks: number): Promise<void> => {
      for (let i = 0; i < ticks; i++) {
        for (const value of [1, 2, 3]) publisher.add({ series, values: [value], at: ledger.produced, tie: 0 })
        publisher.flush()
        if (i % 10 === 0) await sleep(1)
      }
    }
    const totals = { received: 0, duplicates: 0, lost: 0, withdrawn: 0, missing: 0 }
    let checkpoints: ReadonlyMap<string, string> = new Map()
    for (let round = 0; round < 4; round++) {
      // No server listens, and the publisher produces more than the outbox can hold. This happens before the first
      // server too.
      await produce(200)
      const server = await openBroker(options)
      const decoder = frameCodec.decoder(new SeriesTable())
      const tracker = new LossTracker()
      tracker.restore(checkpoints)
      let messages = 0
      const subscription = await server.subscribe((payload) => {
        decoder.decode(payload, { receivedAt: 0, tie: 0 }, () => totals.received++)
        tracker.observe(decoder.header)
        messages++
      })
      await produce(50)
      await until('it holds nothing', () => publisher.held === 0)
      const seen = messages
      await until('its run has said so', () => messages > seen + 1)
      await subscription.stop()
      await server.close()
      checkpoints = tracker.checkpoints('all', true, Date.now())
      totals.duplicates += tracker.duplicateSamples
      totals.lost += tracker.lostSamples + tracker.lostSamplesAtMost
      totals.withdrawn += tracker.withdrawnSamples
      totals.missing += tracker.missingSamples
      if (round === 0) expect(totals.withdrawn).toBe(0)
    }
    await publisher.stop(AbortSignal.timeout(10_000))
    await agent.close()

    const { produced, sent, dropped } = ledger
    expect(produced).toBe(sent + dropped)
    expect(dropped).toBeGreaterThan(1000)
    expect(sent).toBe(totals.received - totals.duplicates + totals.lost)
    expect(totals).toMatchObject({ lost: 0, missing: 0 })
    // No server can know what the run withdrew before a server first heard of the run.
    expect(totals.withdrawn).toBeGreaterThan(dropped / 2)
  })
})
