import { bench, describe } from 'vitest'
import { counted } from '../../test/support/counted.ts'
import { SampleMaker, silent } from '../../test/support/live-feed.ts'
import type { LiveChannel } from '../broker/broker.ts'
import { frameCodec } from '../codec/frame.ts'
import type { Sample } from '../sample/sample.ts'
import { LiveAnnouncer } from './announcer.ts'
import { Feed, type FeedPlace } from './feed.ts'
import { FeedFilter } from './feed-filter.ts'
import { LiveTable } from './live-table.ts'
import type { FeedSink } from './stream-client.ts'

const SERIES = 1_000
const CLIENTS = 100
/** A lower bound for the JSON of one reading. */
const BYTES_A_READING = 200

/** One round of 1,000 series of 10 fields: 20 hosts with 50 series each. */
function round(maker: SampleMaker): Sample[] {
  return Array.from({ length: SERIES }, (_, i) => {
    const fields = Object.fromEntries(
      Array.from({ length: 10 }, (_, f) => [`usage_field${f}`, ((i * 37 + f * 11) % 10_000) / 100]),
    )
    return maker.sample('cpu', { host: `web-${i % 20}`, cpu: `cpu${i}` }, fields, 1)
  })
}

/** Everything that takes time in a round, except sockets. */
function setUp(filter: (client: number) => FeedFilter, full: (client: number) => boolean) {
  const clock = { at: 1, now: () => clock.at }
  const samples = round(new SampleMaker())
  let deliver = (_payload: Buffer): void => {}
  const channel: LiveChannel = {
    isHeard: true,
    publish: (payload) => deliver(payload),
    subscribe: async () => async () => {},
    recall: async () => [],
  }
  const announcer = new LiveAnnouncer({ channel, run: 's', clock })
  const table = new LiveTable({ channel, codec: frameCodec, clock, logger: silent })
  const feed = new Feed({ table })
  deliver = (payload) => table.apply(payload)
  /** @returns the number of series whose latest sample is of this round */
  const record = (): number => {
    clock.at++
    for (const sample of samples) {
      sample.at = clock.at
      announcer.record(sample, clock.at)
    }
    return samples.filter(({ series }) => series.latestAt === clock.at).length
  }
  record()
  announcer.announce()
  const sent = { bytes: 0 }
  const places: FeedPlace[] = []
  for (let client = 0; client < CLIENTS; client++) {
    const write: FeedSink['write'] = (chunk) => {
      sent.bytes += chunk.length
      return !full(client)
    }
    places.push(feed.join({ write, end: () => {}, destroy: () => {} }, filter(client))!)
  }
  return { record, announcer, table, feed, places, sent }
}

const all = () => new FeedFilter()
const oneHost = (client: number) => new FeedFilter([`web-${client % 20}`])
const none = () => false

describe(`live: ${SERIES} series of 10 fields`, () => {
  const hot = setUp(all, none)
  bench('record', counted(SERIES, 'sample', hot.record))
  const announced = setUp(all, none)
  bench(
    'record, announce what changed, and take it into the table',
    counted(SERIES, 'series', () => {
      const before = announced.table.stats.readings
      announced.record()
      announced.announcer.announce()
      return announced.table.stats.readings - before
    }),
  )
  const joined = setUp(all, none)
  bench(
    'a full snapshot for a client that joins',
    counted(SERIES, 'series', () => {
      let bytes = 0
      const write: FeedSink['write'] = (chunk) => {
        bytes += chunk.length
        return true
      }
      joined.places.pop()!.leave()
      joined.places.push(joined.feed.join({ write, end: () => {}, destroy: () => {} }, all())!)
      return bytes > SERIES * BYTES_A_READING ? SERIES : 0
    }),
  )
  const cases: Array<[string, number, ReturnType<typeof setUp>]> = [
    [`a change of all to ${CLIENTS} clients that want all`, CLIENTS, setUp(all, none)],
    [`a change of all to ${CLIENTS} clients of one host each`, CLIENTS / 20, setUp(oneHost, none)],
    [
      `a change of all to ${CLIENTS} clients that want all, half of them stuck`,
      CLIENTS / 2,
      setUp(all, (client) => client % 2 === 0),
    ],
  ]
  for (const [name, copies, way] of cases) {
    bench(
      name,
      counted(SERIES, 'series', () => {
        way.sent.bytes = 0
        way.record()
        way.announcer.announce()
        way.feed.tick()
        return way.sent.bytes > copies * SERIES * BYTES_A_READING ? SERIES : 0
      }),
    )
  }
})
