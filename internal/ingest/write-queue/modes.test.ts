import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AWAY, ScriptedStore, STORED } from '../../../test/support/scripted-store.ts'
import { openWriteQueueScene, pass, until, type WriteQueueScene } from '../../../test/support/write-queue-scene.ts'
import { openSegmentLog } from '../../spool/segment-log.ts'
import { type Machine, Modes, TRANSITIONS } from './modes.ts'
import { WriteQueue } from './write-queue.ts'

type Events = Readonly<Record<string, Readonly<Record<string, string>>>>

/** `of: from event to` */
const ALL = Object.entries(TRANSITIONS).flatMap(([of, states]) =>
  Object.entries(states as Events).flatMap(([from, events]) =>
    Object.entries(events).map(([event, to]) => `${of}: ${from} ${event} ${to}`),
  ),
)

describe('the table of transitions', () => {
  it('is the same in the doc comment', async () => {
    const source = await readFile(new URL('modes.ts', import.meta.url), 'utf8')
    const rows = source.split('\n').filter((line) => line.startsWith(' * | '))
    const listed = rows.slice(1).flatMap((row) => {
      const [of, froms, events, to] = row
        .split('|')
        .slice(1)
        .map((cell) => cell.trim())
      return froms!.split(', ').flatMap((from) => events!.split(', ').map((event) => `${of}: ${from} ${event} ${to}`))
    })
    expect(listed.toSorted()).toEqual(ALL.toSorted())
  })

  it.each(Object.keys(TRANSITIONS) as Machine[])('%s: refuses every event that a state does not know', (of) => {
    const states = TRANSITIONS[of] as Events
    const events = new Set(Object.values(states).flatMap((known) => Object.keys(known)))
    for (const [from, known] of Object.entries(states)) {
      for (const event of events) {
        const bugs: string[] = []
        const to = new Modes(({ message }) => bugs.push(message)).after(of, from as never, event as never)
        expect([to, bugs]).toEqual(
          event in known ? [known[event], []] : [from, [`${of} is ${from}: it knows no "${event}"`]],
        )
      }
    }
  })

  it('a queue that meets an event that it does not know logs a bug, and stays as it is', async () => {
    const logged: string[] = []
    const logger = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) })
    const on = { settled: () => {}, ack: () => {}, full: () => {}, away: () => {} }
    const limits = {
      flushMinMs: 10,
      flushMaxMs: 250,
      durableTargetMs: 50,
      queueMaxBytes: 1e6,
      replayBytesPerSecond: 1e6,
    }
    const queue = new WriteQueue({ writer: new ScriptedStore(), logger, on, ...limits })
    await queue.close()
    await queue.close()
    expect(queue.modes.life).toBe('closed')
    expect(logged).toHaveLength(1)
    expect(JSON.parse(logged[0]!).err.message).toBe('life is closed: it knows no "close"')
  })
})

describe('a queue walks every transition', () => {
  const POSTPONE = { next: 'postpone', problem: 'it fails on this' } as const
  const HOUR_MS = 3_600_000
  const never = new AbortController().signal
  const walked: string[] = []
  const reached = new Set<string>()
  let folder: string

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sentinel-modes-'))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    walked.length = 0
    const { after } = Modes.prototype
    vi.spyOn(Modes.prototype, 'after').mockImplementation(function (this: Modes, of, from, event) {
      const to = after.call(this, of, from, event)
      walked.push(`${of}: ${String(from)} ${String(event)} ${String(to)}`)
      reached.add(walked.at(-1)!)
      return to as never
    })
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    vi.useRealTimers()
    await rm(folder, { recursive: true, force: true })
  })

  /** The transitions of one machine since the last call, without its name. */
  function of(machine: Machine): string[] {
    const found = walked.filter((step) => step.startsWith(`${machine}: `)).map((step) => step.slice(machine.length + 2))
    walked.length = 0
    return found
  }

  const open = (options?: Parameters<typeof openWriteQueueScene>[1]): Promise<WriteQueueScene> =>
    openWriteQueueScene(folder, options)

  it('batch: stored, tried again, postponed', async () => {
    const scene = await open()
    scene.take(3)
    await scene.answer(STORED)
    expect(of('batch')).toEqual(['open seal waiting', 'waiting write writing', 'writing store settled'])
    scene.take(3)
    await scene.answer(POSTPONE)
    await pass(1000)
    await scene.answer({ ...AWAY, afterMs: HOUR_MS })
    expect(of('batch').slice(2)).toEqual([
      'writing postpone postponed',
      'postponed rested waiting',
      'waiting write writing',
      'writing retry waiting',
    ])
    await pass(1000)
    await until(() => scene.acked.at(-1) === 6)
    expect(of('batch')).toEqual(['waiting spool spooled', 'spooled confirm settled'])
    await scene.queue.close()
  })

  it('batch: from memory that is over its bound to the spool, or dropped there', async () => {
    const scene = await open({ queueMaxBytes: 300, whenFull: 'drop-newest', log: { maxBytes: 200, segmentBytes: 100 } })
    scene.take(4)
    await scene.answer(POSTPONE)
    scene.take(9)
    expect(of('batch')).toContain('postponed spool spooled')
    await until(() => scene.log.unwritten.records === 0)
    scene.take(9)
    expect(of('batch')).toContain('waiting drop settled')
    await scene.answer(POSTPONE)
    scene.take(3)
    expect(of('batch')).toContain('postponed drop settled')
    await scene.queue.close()
  })

  it('store: away and back', async () => {
    const scene = await open()
    scene.take(7)
    scene.queue.ask()
    await scene.answer({ ...AWAY, afterMs: 2000 })
    await scene.answer({ ...AWAY, afterMs: 3000 })
    expect(of('store')).toEqual(['available ask available', 'available failed paused', 'paused failed paused'])
    await pass(3001)
    await scene.answer({ ...AWAY, afterMs: HOUR_MS })
    expect(of('store')).toEqual(['paused pauseOver probing', 'probing failed paused'])
    scene.queue.ask()
    scene.queue.ask()
    await scene.answer(STORED)
    await scene.answer(STORED)
    expect(of('store')).toEqual([
      'paused ask probing',
      'probing ask probing',
      'probing stored available',
      'available stored available',
    ])
    await scene.queue.close()
  })

  it('spool: for less than a second, and for more', async () => {
    const scene = await open()
    scene.take(3)
    await scene.answer({ ...AWAY, afterMs: 500 })
    await pass(501)
    await scene.answer(STORED)
    expect(of('spool')).toEqual(['surplus back surplus'])
    scene.take(3)
    await scene.answer({ ...AWAY, afterMs: 2500 })
    await pass(2501)
    await scene.answer(STORED)
    expect(of('spool')).toEqual([
      'surplus awayLong everything',
      'everything awayLong everything',
      'everything back surplus',
    ])
    await scene.queue.close()
  })

  it('intake: full, and room again', async () => {
    const scene = await open({ queueMaxBytes: 600, log: { maxBytes: 400, segmentBytes: 100 } })
    while (scene.full.length === 0) {
      scene.take(3)
      await until(() => scene.log.unwritten.records === 0)
    }
    while (scene.full.length === 1) await scene.answer(STORED)
    expect(of('intake')).toEqual(['taking full full', 'full room taking'])
    await scene.queue.close()
  })

  it('replay: read, rested, and tried again', async () => {
    const scene = await open({ replayBytesPerSecond: 100 })
    scene.take(7)
    for (let i = 0; i < 2; i++) await scene.answer({ ...AWAY, afterMs: 1500 })
    await pass(1600)
    await scene.answer(AWAY)
    await pass(300)
    await scene.answer(STORED)
    expect(of('taken')).toEqual([
      'waiting write writing',
      'writing retry waiting',
      'waiting write writing',
      'writing store settled',
    ])
    await pass(10_000)
    await scene.answer(POSTPONE)
    expect(of('taken')).toEqual(['waiting write writing', 'writing postpone waiting'])
    await scene.queue.close()
  })

  it('replay: reads, and rests as its bound demands', async () => {
    const scene = await open({ replayBytesPerSecond: 100 })
    scene.take(7)
    for (let i = 0; i < 2; i++) await scene.answer({ ...AWAY, afterMs: 1500 })
    await pass(1600)
    of('replay')
    await scene.answer(STORED)
    await pass(10_000)
    expect(of('replay').slice(0, 4)).toEqual([
      'idle rest resting',
      'resting end idle',
      'idle read reading',
      'reading end idle',
    ])
    await scene.queue.close()
  })

  it('taken: lets a fresh batch have the slot', async () => {
    const scene = await open()
    scene.take(3)
    await scene.answer({ ...AWAY, afterMs: HOUR_MS })
    await pass(1001)
    scene.queue.ask()
    scene.take(4)
    await until(() => walked.includes('replay: reading end idle'))
    expect(scene.asked()).toEqual([[4, 5, 6]])
    expect([of('replay'), of('taken')]).toEqual([['idle read reading', 'reading end idle'], []])
    await scene.queue.close()
  })

  it('replay: rests where nothing can be read', async () => {
    const log = await openSegmentLog({ folder, maxBytes: 1e6, logger: pino({ level: 'silent' }) })
    log.append([Buffer.from('cut off')], 7)
    log.append([Buffer.from('of a later version')], 7)
    await log.close()
    const scene = await open()
    vi.spyOn(scene.log, 'next').mockResolvedValueOnce(undefined)
    scene.queue.ask()
    await until(() => walked.includes('replay: idle rest resting'))
    expect(of('replay')).toEqual(['idle read reading', 'reading end idle', 'idle rest resting'])
    await pass(1000)
    await until(() => scene.lost.spool_damaged === 14)
    await scene.queue.close()
  })

  it('life: drained and closed, or closed at once', async () => {
    const first = await open()
    first.take(1)
    const drained = first.queue.drain(never, false)
    await first.answer(STORED)
    await drained
    await first.queue.drain(never, false)
    await first.queue.close()
    expect(of('life')).toEqual(['running drain draining', 'draining drain draining', 'draining close closed'])
    const second = await open()
    await second.queue.close()
    expect(of('life')).toEqual(['running close closed'])
  })
  it('and no transition of the table is left out', () => {
    expect([...reached].toSorted()).toEqual(ALL.toSorted())
  })
})
