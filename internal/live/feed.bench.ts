import { bench, describe } from 'vitest'
import { SampleMaker, silent } from '../../test/support/live-feed.ts'
import type { LiveChannel } from '../broker/broker.ts'
import { frameCodec } from '../codec/frame.ts'
import type { Sample } from '../sample/sample.ts'
import { LiveAnnouncer } from './announcer.ts'
import { Feed } from './feed.ts'
import { FeedFilter, type FeedSink } from './feed-client.ts'
import { LiveTable } from './live-table.ts'

const SERIES = 1_000
const CLIENTS = 100

/** One round of 1,000 series of 10 fields: 20 hosts with 50 series each. */
function round(maker: SampleMaker): Sample[] {
  return Array.from({ length: SERIES }, (_, i) => {
    const fields = Object.fromEntries(
      Array.from({ length: 10 }, (_, f) => [`usage_field${f}`, ((i * 37 + f * 11) % 10_000) / 100]),
    )
    return maker.sample('cpu', { host: `web-${i % 20}`, cpu: `cpu${i}` }, fields, 1)
  })
}

/** Everything that a round costs, sockets left out. */
function setUp(filter: (client: number) => FeedFilter, full: (client: number) => boolean) {
  const clock = { at: 1, now: () => clock.at }
  const samples = round(new SampleMaker())
  let deliver = (_payload: Buffer): void => {}
  const channel: LiveChannel = {
    publish: (payload) => deliver(payload),
    subscribe: async () => async () => {},
    recall: async () => [],
  }
  const announcer = new LiveAnnouncer({ channel, codec: frameCodec, source: 's', clock })
  const table = new LiveTable({ channel, codec: frameCodec, clock, logger: silent })
  const feed = new Feed({ table })
  deliver = (payload) => table.apply(payload)
  const record = () => {
    clock.at++
    for (const sample of samples) {
      sample.at = clock.at
      announcer.record(sample)
    }
  }
  record()
  announcer.announce()
  for (let client = 0; client < CLIENTS; client++) {
    const sink: FeedSink = { write: () => !full(client), end: () => {}, destroy: () => {} }
    feed.join(sink, filter(client))
  }
  return { record, announcer, feed }
}

const all = () => new FeedFilter()
const oneHost = (client: number) => new FeedFilter([`web-${client % 20}`])
const none = () => false

describe(`a tick in which all ${SERIES} series changed`, () => {
  const record = setUp(all, none)
  bench('the hot path: record', () => record.record())
  const announced = setUp(all, none)
  bench('record, announce, and take into the table', () => {
    announced.record()
    announced.announcer.announce()
  })
  const cases: Array<[string, ReturnType<typeof setUp>]> = [
    [`the same to ${CLIENTS} clients that want all`, setUp(all, none)],
    [`the same to ${CLIENTS} clients of one host each`, setUp(oneHost, none)],
    [`the same to ${CLIENTS} clients that want all, half of them stuck`, setUp(all, (client) => client % 2 === 0)],
  ]
  for (const [name, way] of cases) {
    bench(name, () => {
      way.record()
      way.announcer.announce()
      way.feed.tick()
    })
  }
})
