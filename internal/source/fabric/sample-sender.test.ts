import { describe, expect, it } from 'vitest'
import { decode } from '../../codec/codec.contract.ts'
import { blankHeader } from '../../codec/codec.ts'
import { frameCodec } from '../../codec/frame.ts'
import { type Table, TableReader } from '../../fabric/table-reader.ts'
import { SeriesTable } from '../../sample/series.ts'
import { SampleSender } from './sample-sender.ts'

const BEGAN_US = 1_763_900_000_000_000
const SECOND_US = 1e6
const never = new AbortController().signal

/** A sender, and what it sent: ids of rows, and of rows whose texts were told. */
function open() {
  const sent = { rows: [] as string[], told: [] as string[] }
  const sender = new SampleSender(async (encoder) => {
    const frame = encoder.finish({ ...blankHeader(), run: 'r', sentAt: BEGAN_US })
    for (const { series } of decode(frameCodec.decoder(new SeriesTable()), frame).seen) {
      const [measurement, tag] = series.split('\0')
      sent[measurement === 'fabric_info' ? 'told' : 'rows'].push(tag!.split('\u0001')[1]!)
    }
  })
  return { sender, sent }
}

function read(reader: TableReader, label: (row: number) => string, rows = 60): Promise<Table> {
  const lines = Array.from({ length: rows }, (_, i) => `sw${i},${label(i)},1\n`)
  return reader.read(Buffer.from(`switch_id,port_label,a\n${lines.join('')}`), BEGAN_US)
}

const ALL = Array.from({ length: 60 }, (_, i) => `sw${i}`).sort()
/** Three times ten minutes, and one turn: every 20 minutes it is one time. */
const UNTIL_SECONDS = 1800

describe('SampleSender', () => {
  it.each([
    ['every 10 s', 10, 1],
    ['every 10 s, of three targets', 10, 3],
    ['every 30 s', 30, 1],
    ['every 7 s, of two targets', 7, 2],
    ['every 5 minutes', 300, 1],
    ['every 20 minutes', 1200, 1],
  ])('tells the texts of each row once in ten minutes, and at each change: %s', async (_, everySeconds, targets) => {
    const { sender, sent } = open()
    const readers = Array.from({ length: targets }, () => new TableReader())
    const cycle = async (seconds: number): Promise<void> => {
      for (const reader of readers) {
        const table = await read(reader, () => 'a')
        await sender.sendAll(table, BEGAN_US + seconds * SECOND_US, never)
      }
    }
    await cycle(0)
    expect(sent.told.sort()).toEqual(ALL.flatMap((id) => Array<string>(targets).fill(id)))
    sent.told.length = 0
    for (let seconds = everySeconds; seconds <= UNTIL_SECONDS; seconds += everySeconds) await cycle(seconds)
    const times = new Map<string, number>()
    for (const id of sent.told) times.set(id, (times.get(id) ?? 0) + 1)
    const most = Math.min(3, Math.floor(UNTIL_SECONDS / everySeconds))
    expect([...times.keys()].sort()).toEqual(ALL)
    for (const count of times.values()) expect([targets * most, targets * (most - 1)]).toContain(count)
  })

  it('tells a text that changed at once, and no row twice', async () => {
    const { sender, sent } = open()
    const reader = new TableReader()
    await sender.sendAll(await read(reader, () => 'a'), BEGAN_US, never)
    sent.told.length = 0
    const changed = (i: number): string => (i % 25 === 1 ? 'b' : 'a')
    await sender.sendAll(await read(reader, changed), BEGAN_US + SECOND_US, never)
    expect(sent.told).toEqual(['sw1', 'sw26', 'sw51'])
    sent.told.length = 0
    await sender.sendAll(await read(reader, () => 'c'), BEGAN_US + 900 * SECOND_US, never)
    expect(sent.told.sort()).toEqual(ALL)
    expect(sent.rows).toHaveLength(3 * 60)
  })

  it('says nothing once more where the clock is set back', async () => {
    const { sender, sent } = open()
    const reader = new TableReader()
    for (const seconds of [0, -5000, -4990]) await sender.sendAll(await read(reader, () => 'a'), BEGAN_US + seconds * SECOND_US, never) // biome-ignore format: one line
    // All rows at first, and then the sixtieth whose turn it is.
    expect(sent.told).toHaveLength(60 + 1)
  })

  it.each([
    ['its rows', () => '', false],
    ['the texts of its rows', (i: number) => `${i}`.padEnd(1000, 'x'), true],
  ])(
    'leaves out the rest at the signal, among %s, and not what is in a frame already',
    async (_, label, isAmongTexts) => {
      const over = new AbortController()
      let frames = 0
      let samples = 0
      const sender = new SampleSender(async (encoder) => {
        samples += encoder.count
        encoder.finish({ ...blankHeader(), run: 'r' })
        if (++frames === 1) over.abort()
      })
      const left = await sender.sendAll(await read(new TableReader(), label, 30_000), BEGAN_US, over.signal)
      expect(frames).toBe(1)
      expect(samples).toBeGreaterThan(0)
      expect(left).toBe(isAmongTexts ? 30_000 : 30_000 - samples)
    },
  )
})
