import { cp, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Behaviour, FaultyBroker, stubCodec } from '../../test/support/faulty-broker.ts'
import { MemoryBroker } from '../broker/memory/broker.ts'
import type { Encoder } from '../codec/codec.ts'
import { frameCodec } from '../codec/frame.ts'
import { LogThrottle } from '../observe/log-throttle.ts'
import { PublisherLedger } from '../sample/ledger.ts'
import { SeriesTable, seriesApart } from '../sample/series.ts'
import { type Files, realFiles } from '../spool/files.ts'
import { openSegmentLog, type SegmentLog, type SegmentLogOptions } from '../spool/segment-log.ts'
import { NotDurableError } from './message.ts'
import { Publisher, type PublisherOptions } from './publisher.ts'

const logger = pino({ level: 'silent' })
const series = seriesApart('m', [])
series.field('n', 'float')
const never = new AbortController().signal

let folders: string[] = []
let opened: Array<{ publisher: Publisher; log: SegmentLog }> = []
let runs = 0

beforeEach(() => {
  folders = []
  opened = []
})

afterEach(async () => {
  for (const { publisher, log } of opened) {
    await publisher.stop(AbortSignal.abort())
    await log.close()
  }
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true, maxRetries: 5 })))
})

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sentinel-durable-'))
  folders.push(folder)
  return folder
}

/** A disk that refuses writes while it is told to. */
class FaultyDisk {
  code: string | undefined
  readonly files: Files = {
    ...realFiles,
    open: async (path, flags, mode) => {
      const file = await open(path, flags, mode)
      const { writev } = file
      file.writev = async (buffers, position) => {
        if (this.code !== undefined) throw Object.assign(new Error(this.code), { code: this.code })
        return { ...(await writev.call(file, buffers as unknown as Buffer[], position)), buffers }
      }
      return file
    },
  }
}

interface Opened {
  readonly publisher: Publisher
  readonly ledger: PublisherLedger
  readonly log: SegmentLog
}

async function start(
  broker: PublisherOptions['broker'],
  folder: string,
  options: Partial<PublisherOptions> & { readonly disk?: Partial<SegmentLogOptions> } = {},
): Promise<Opened> {
  const log = await openSegmentLog({ folder, maxBytes: 2 ** 24, logger, ...options.disk })
  const ledger = new PublisherLedger()
  const publisher = new Publisher({
    ...{ broker, codec: stubCodec(), runId: `h/intake/${++runs}`, logger, throttle: new LogThrottle(logger) },
    ...{ clock: { now: () => Date.now() * 1000 }, ledger, log, isDurable: true, heartbeatMs: 20 },
    ...options,
  })
  await publisher.start()
  opened.push({ publisher, log })
  return { publisher, ledger, log }
}

function gathered(codec: PublisherOptions['codec'], ...values: number[]): Encoder {
  const encoder = codec.encoder()
  for (const value of values) encoder.add({ series, values: [value], at: value, tie: 0 })
  return encoder
}

const one = (value: number): Encoder => gathered(stubCodec(), value)
const arrived = (broker: FaultyBroker): number[] => broker.arrived.flatMap(({ values }) => values)
const settled = (promise: Promise<unknown>): Promise<unknown> =>
  promise.catch((error: unknown) => (error instanceof NotDurableError ? 'not durable' : error))

describe('a durable publisher over a broker that keeps messages', () => {
  it.each<[Behaviour, disk: string | undefined, becomes: string]>([
    ['take', undefined, 'broker'],
    ['take', 'ENOSPC', 'broker'],
    ['not_sent', undefined, 'disk'],
    ['unknown: it arrived', undefined, 'disk'],
    ['unknown: it did not', undefined, 'disk'],
    ['hang', undefined, 'disk'],
    ['refused', undefined, 'not durable'],
    ['not_sent', 'ENOSPC', 'not durable'],
    ['unknown: it did not', 'EIO', 'not durable'],
    ['hang', 'ENOSPC', 'not durable'],
  ])(
    'a message that the broker answers by "%s", with a disk that says %s, is durable by: %s',
    async (behaviour, code, by) => {
      const broker = new FaultyBroker('streams')
      const disk = new FaultyDisk()
      const { publisher } = await start(broker, await newFolder(), { disk: { files: disk.files } })
      broker.become(behaviour)
      disk.code = code
      expect(await settled(publisher.sendDurably(one(1)))).toBe(by)
      disk.code = undefined
      broker.become('take')
      if (behaviour !== 'refused') await expect.poll(() => new Set(arrived(broker))).toEqual(new Set([1]))
    },
  )

  it('leaves what is on disk alone to the next process, and nothing of what the broker has', async () => {
    const broker = new FaultyBroker('streams')
    const folder = await newFolder()
    const { publisher, log } = await start(broker, folder)
    expect(await publisher.sendDurably(one(1))).toBe('broker')
    broker.become('not_sent')
    expect(await Promise.all([2, 3, 4].map((value) => publisher.sendDurably(one(value))))).toEqual([
      'disk',
      'disk',
      'disk',
    ])
    // What a kill -9 leaves is the files as they are now.
    const copy = await newFolder()
    await cp(folder, copy, { recursive: true })
    expect(log.unwritten.records).toBe(0)
    const other = new FaultyBroker('streams')
    const next = await start(other, copy)
    expect(next.ledger.takenOver).toBe(3)
    await expect.poll(() => arrived(other)).toEqual([2, 3, 4])
  })

  it('forgets the record once the broker has the message after all', async () => {
    const broker = new FaultyBroker('streams')
    const { publisher, log } = await start(broker, await newFolder())
    const before = log.records
    broker.become('hang')
    expect(await publisher.sendDurably(one(1))).toBe('disk')
    expect(log.records).toBeGreaterThan(before)
    broker.become('take')
    await expect.poll(() => publisher.pendingBytes).toBe(0)
    await publisher.stop(never)
    expect(log.records).toBe(0)
  })

  it('gives nothing up that was answered: not for its age, not for room, and not when the broker refuses it later', async () => {
    const broker = new FaultyBroker('streams')
    let uptimeUs = 1e6
    const { publisher, ledger } = await start(broker, await newFolder(), {
      ...{ outboxMaxBytes: 100, outboxMaxAgeMs: 1, uptimeUs: () => uptimeUs },
    })
    broker.become('not_sent')
    for (let value = 0; value < 20; value++) expect(await publisher.sendDurably(one(value))).toBe('disk')
    uptimeUs += 30 * 86_400e6
    broker.become('refused')
    const before = broker.attempts
    await expect.poll(() => broker.attempts).toBeGreaterThan(before)
    broker.become('take')
    await expect.poll(() => arrived(broker).length).toBe(20)
    expect(ledger.dropped).toBe(0)
  })

  it('waits for a disk that is behind, when a broker that goes away leaves more than may wait for the disk', async () => {
    const broker = new FaultyBroker('streams')
    const { publisher } = await start(broker, await newFolder(), { disk: { maxUnwrittenBytes: 2000 } })
    broker.become('not_sent')
    const results = await Promise.all(Array.from({ length: 200 }, (_, value) => publisher.sendDurably(one(value))))
    expect(new Set(results)).toEqual(new Set(['disk']))
  })

  it('says that a message is not durable when the log has its size, and that it is when the process stops first', async () => {
    const broker = new FaultyBroker('streams')
    const { publisher } = await start(broker, await newFolder(), { disk: { maxBytes: 3000 } })
    broker.become('not_sent')
    const results: unknown[] = []
    for (let value = 0; value < 40; value++) results.push(await settled(publisher.sendDurably(one(value))))
    expect(results.indexOf('not durable')).toBeGreaterThan(1)
    expect(results.slice(results.indexOf('not durable'))).not.toContain('disk')

    const other = await start(broker, await newFolder())
    const last = settled(other.publisher.sendDurably(one(1)))
    await other.publisher.stop(AbortSignal.abort())
    expect(await last).toBe('disk')
    expect(await settled(other.publisher.sendDurably(one(2)))).toBe('not durable')
  })

  it('is refused over a broker that keeps nothing, and without a log', async () => {
    await expect(start(new FaultyBroker('pubsub'), await newFolder())).rejects.toThrow('needs a log')
    await expect(start(new FaultyBroker('streams'), await newFolder(), { log: undefined })).rejects.toThrow(
      'needs a log',
    )
  })
})

describe('a durable publisher over the memory broker', () => {
  const decoder = frameCodec.decoder(new SeriesTable())
  const valuesOf = (payload: Buffer): number[] => {
    const values: number[] = []
    decoder.decode(payload, { receivedAt: 0, tie: 0 }, ({ values: [value] }) => values.push(Number(value)))
    return values
  }

  it('has a message on disk at once, until the server has acked it, and sends it again after a kill', async () => {
    const broker = new MemoryBroker({ logger })
    const received: number[] = []
    let newest = 0
    let acksAtOnce = false
    const subscription = await broker.subscribe((payload, { id }) => {
      received.push(...valuesOf(payload))
      newest = id
      if (acksAtOnce) subscription.ack(id)
    })
    const folder = await newFolder()
    const { publisher, log } = await start(broker, folder, { codec: frameCodec })
    expect(await publisher.sendDurably(gathered(frameCodec, 1, 2))).toBe('disk')
    expect(received).toEqual([1, 2])
    const [acked] = [newest]
    expect(await publisher.sendDurably(gathered(frameCodec, 3))).toBe('disk')
    expect(log.samples).toBe(3)
    subscription.ack(acked)
    await expect.poll(() => publisher.held).toBe(1)
    const copy = await newFolder()
    await cp(folder, copy, { recursive: true })
    acksAtOnce = true
    subscription.ack(newest)
    await expect.poll(() => publisher.held).toBe(0)
    await publisher.stop(never)
    expect(log.records).toBe(0)

    const other = new MemoryBroker({ logger })
    const again: number[] = []
    const acker = await other.subscribe((payload, { id }) => {
      again.push(...valuesOf(payload))
      acker.ack(id)
    })
    const next = await start(other, copy, { codec: frameCodec })
    await expect.poll(() => again).toContain(3)
    expect(next.ledger.dropped).toBe(0)
  })

  it.each<[string, (broker: MemoryBroker) => Promise<unknown>]>([
    ['nobody subscribes', async () => {}],
    ['the subscriber is paused', async (broker) => (await broker.subscribe(() => {})).pause()],
  ])('has it on disk while %s', async (_when, prepare) => {
    const broker = new MemoryBroker({ logger })
    await prepare(broker)
    const { publisher, log } = await start(broker, await newFolder(), { codec: frameCodec })
    expect(await publisher.sendDurably(gathered(frameCodec, 1))).toBe('disk')
    expect(log.samples).toBe(1)
  })

  it('keeps what was delivered and not acked when the subscriber ends', async () => {
    const broker = new MemoryBroker({ logger })
    const subscription = await broker.subscribe(() => {})
    const { publisher, log } = await start(broker, await newFolder(), { codec: frameCodec })
    await publisher.sendDurably(gathered(frameCodec, 1))
    await subscription.close()
    await expect.poll(() => publisher.outboxBytes).toBeGreaterThan(0)
    await publisher.stop(never)
    expect(log.samples).toBe(1)
  })
})
