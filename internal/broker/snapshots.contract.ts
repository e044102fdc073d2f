import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../test/support/servers.ts'
import { type GenerationHead, generationId, nameOf, type TargetHead } from '../fabric/generation.ts'
import type { Broker } from './broker.ts'

export function targetHead(target: string, bytes: number, atUs: number, more: Partial<TargetHead> = {}): TargetHead {
  return { target, snapshot: generationId(atUs), bytes, takenAtUs: atUs, rows: 1, badRows: 0, up: true, ...more }
}

export function generationHead(
  targets: readonly TargetHead[],
  atUs: number,
  more: Partial<GenerationHead> = {},
): GenerationHead {
  const times = { atUs, checkedAtUs: atUs, intervalMs: 10_000 }
  const cycle = { fetchMs: 1, parseMs: 2, publishMs: 3 }
  return { fabric: 'default', publisher: 'agent/a', id: generationId(atUs), ...times, targets, cycle, ...more }
}

export function nowUs(): number {
  return Date.now() * 1000
}

/** What the snapshots of every broker promise. */
export function describeSnapshots(under: { name: string; open(): Promise<Broker>; empty(): Promise<void> }): void {
  describe(`the snapshots of the ${under.name} broker`, () => {
    const opened: Broker[] = []
    const start = async (): Promise<{ broker: Broker; heard: GenerationHead[] }> => {
      const broker = await under.open()
      opened.push(broker)
      const heard: GenerationHead[] = []
      await broker.snapshots.subscribe((head, isKept) => {
        if (!isKept) heard.push(head)
      })
      return { broker, heard }
    }
    const put = async (broker: Broker, head: GenerationHead, contents: readonly Buffer[]): Promise<void> => {
      for (const [i, target] of head.targets.entries()) await broker.snapshots.put(nameOf(head, target), contents[i]!)
    }
    const read = (broker: Broker, head: GenerationHead, target: TargetHead): Promise<Buffer | undefined> =>
      broker.snapshots.read(nameOf(head, target), target.bytes)

    afterEach(async () => {
      for (const broker of opened.splice(0)) await broker.close()
    })

    it('give back what was put, of any size, as often as it is put', async () => {
      await under.empty()
      const { broker } = await start()
      const mebibyte = 2 ** 20
      for (const length of [0, 1, mebibyte, mebibyte + 1, 9 * mebibyte + 7]) {
        const bytes = Buffer.from(Array.from({ length: Math.min(length, 251) }, (_, i) => i))
        const content = length === 0 ? bytes : Buffer.alloc(length, bytes)
        const name = { fabric: 'f', publisher: 'p', target: 't', snapshot: `s${length}` }
        await broker.snapshots.put(name, content)
        await broker.snapshots.put(name, content)
        expect((await broker.snapshots.read(name, length))?.equals(content)).toBe(true)
        expect(await broker.snapshots.read({ ...name, target: 'other' }, length + 1)).toBeUndefined()
        expect(await broker.snapshots.read(name, length + 1)).toBeUndefined()
      }
    })

    it('are announced to all who listen, then or later', async () => {
      await under.empty()
      const { broker, heard } = await start()
      const [now, later] = [nowUs(), nowUs() + 10_000_000]
      const first = generationHead([targetHead('http://a', 3, now), targetHead('/b', 4, now)], now)
      await put(broker, first, [Buffer.from('abc'), Buffer.from('defg')])
      expect(await broker.snapshots.announce(first)).toEqual([])
      await until('it is heard', () => heard.length === 1)
      const down = { up: false, error: 'it does not answer' }
      const second = generationHead([targetHead('http://a', 1, later), { ...first.targets[1]!, ...down }], later)
      await put(broker, second, [Buffer.from('x'), Buffer.from('defg')])
      await broker.snapshots.announce(second)
      const other = generationHead([targetHead('c', 0, now)], now, { publisher: 'agent/b' })
      await put(broker, other, [Buffer.alloc(0)])
      await broker.snapshots.announce(other)
      await until('all are heard', () => heard.length === 3)
      expect(heard).toEqual([first, second, other])
      // Whoever still reads the one before can go on.
      expect(String(await read(broker, first, first.targets[0]!))).toBe('abc')
      expect(String(await read(broker, second, second.targets[0]!))).toBe('x')
      expect(String(await read(broker, second, second.targets[1]!))).toBe('defg')

      const warm: GenerationHead[] = []
      const kept: boolean[] = []
      const leave = await broker.snapshots.subscribe((head, isKept) => {
        warm.push(head)
        kept.push(isKept)
      })
      expect(kept).toEqual([true, true])
      expect(warm.toSorted((a, b) => a.publisher.localeCompare(b.publisher))).toEqual([second, other])
      await leave()
      await broker.snapshots.announce({ ...other, checkedAtUs: later })
      await until('it is heard by the others', () => heard.length === 4)
      expect(warm).toHaveLength(2)
    })

    it('are known by who announced them, also to a process that starts later', async () => {
      await under.empty()
      const { broker } = await start()
      const now = nowUs()
      expect(await broker.snapshots.newest('default', 'agent/a')).toBeUndefined()
      const head = generationHead([targetHead('a', 1, now)], now)
      const later = { ...head, id: generationId(now + 1), checkedAtUs: now + 1 }
      for (const one of [head, { ...head, publisher: 'agent/b' }, { ...head, fabric: 'two' }, later]) {
        await put(broker, one, [Buffer.from('x')])
        await broker.snapshots.announce(one)
      }
      expect(await broker.snapshots.newest('default', 'agent/a')).toEqual(later)
      expect(await broker.snapshots.newest('two', 'agent/a')).toMatchObject({ id: head.id })
      expect(await broker.snapshots.newest('two', 'agent/b')).toBeUndefined()
    })

    it('are not announced where one is missing', async () => {
      await under.empty()
      const { broker, heard } = await start()
      const now = nowUs()
      const head = generationHead([targetHead('a', 1, now), targetHead('b', 1, now)], now)
      await broker.snapshots.put(nameOf(head, head.targets[0]!), Buffer.from('x'))
      expect(await broker.snapshots.announce(head)).toEqual([head.targets[1]])
      await broker.snapshots.put(nameOf(head, head.targets[1]!), Buffer.from('y'))
      expect(await broker.snapshots.announce(head)).toEqual([])
      await until('it is heard', () => heard.length === 1)
    })

    it('survive a listener that throws', async () => {
      await under.empty()
      const { broker, heard } = await start()
      await broker.snapshots.subscribe(() => {
        throw new Error('the listener broke')
      })
      const head = generationHead([], nowUs())
      expect(await broker.snapshots.announce(head)).toEqual([])
      await until('it is heard', () => heard.length === 1)
    })
  })
}
