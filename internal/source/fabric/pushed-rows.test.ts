import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { rowsOf } from '../../../test/support/fabric-table.ts'
import { BrokerError } from '../../broker/broker.ts'
import { MemoryBroker } from '../../broker/memory/broker.ts'
import { blankHeader } from '../../codec/codec.ts'
import { type GenerationHead, nameOf } from '../../fabric/generation.ts'
import { decodeSnapshot } from '../../fabric/decode-snapshot.ts'
import { TableError } from '../../fabric/table-reader.ts'
import { PushedRows, PushTooLarge } from './pushed-rows.ts'

/** A broker, and pushes that one process after the other takes. */
class Scene {
  timeUs = 1_763_900_000_000_000
  isAway = false
  sent = 0
  readonly heads: GenerationHead[] = []
  readonly #broker = new MemoryBroker({ logger: pino({ level: 'silent' }), now: () => this.timeUs / 1000 })
  #pushed = this.#start()

  constructor() {
    void this.#broker.snapshots.subscribe((head) => void this.heads.push(head))
  }

  #start(): PushedRows {
    const { snapshots } = this.#broker
    const whenHere = async <T>(ask: () => Promise<T>): Promise<T> => {
      if (this.isAway) throw new BrokerError('not_sent', 'it is away')
      return ask()
    }
    return new PushedRows({
      ...{ fabric: 'default', publisher: 'api/1', clock: { now: () => ++this.timeUs } },
      snapshots: {
        put: (name, bytes) => whenHere(() => snapshots.put(name, bytes)),
        announce: (head) => whenHere(() => snapshots.announce(head)),
        newest: (fabric, publisher) => whenHere(() => snapshots.newest(fabric, publisher)),
        read: (name, bytes) => whenHere(() => snapshots.read(name, bytes)),
      },
      send: async (encoder) => {
        this.sent += encoder.count
        encoder.finish({ ...blankHeader(), run: 'r' })
      },
    })
  }

  /** Another process of the same name. */
  restart(): void {
    this.#pushed.stop()
    this.#pushed = this.#start()
  }

  /** @returns what was thrown */
  async push(csv: string, isWhole = false): Promise<unknown> {
    return this.#pushed.take(Buffer.from(csv), isWhole).then(
      () => undefined,
      (error: unknown) => error,
    )
  }

  async shown(): Promise<Record<string, object>> {
    const head = this.heads.at(-1)!
    const [target] = head.targets
    const bytes = await this.#broker.snapshots.read(nameOf(head, target!), target!.bytes)
    return Object.fromEntries(rowsOf(decodeSnapshot(bytes!)).map(({ id, cells }) => [id, cells]))
  }
}

describe('pushed rows', () => {
  it('stay beside those of before, unless the push has all of them', async () => {
    const scene = new Scene()
    await scene.push('switch_id,a\nsw1,1\nsw2,2\n')
    await scene.push('switch_id,b\nsw2,3\n')
    expect(await scene.shown()).toEqual({ sw1: { a: 1 }, sw2: { a: 2, b: 3 } })
    await scene.push('switch_id,a\nsw3,5\n', true)
    expect([await scene.shown(), scene.sent]).toEqual([{ sw3: { a: 5 } }, 4])
  })

  it('stay over a restart, and columns keep their kinds', async () => {
    const scene = new Scene()
    await scene.push('switch_id,note,a\nsw1,x7,0\nsw2,y,1\n', true)
    scene.restart()
    await scene.push('switch_id,note\nsw2,7\n')
    expect(await scene.shown()).toEqual({ sw1: { note: 'x7', a: 0 }, sw2: { note: '7', a: 1 } })
    scene.restart()
    await scene.push('switch_id,a,note\nsw1,x,8\nsw2,0.5,\n', true)
    expect(await scene.shown()).toEqual({ sw1: { note: '8' }, sw2: { a: 0.5 } })
  })

  it('are not taken while the broker is away, and leave nothing behind', async () => {
    const scene = new Scene()
    scene.isAway = true
    expect(await scene.push('switch_id,a\nsw1,1\n')).toBeInstanceOf(BrokerError)
    scene.isAway = false
    await scene.push('switch_id,a\nsw2,2\n')
    scene.isAway = true
    expect(await scene.push('switch_id,a\nsw3,3\n')).toBeInstanceOf(BrokerError)
    scene.isAway = false
    expect([await scene.shown(), scene.sent, scene.heads.length]).toEqual([{ sw2: { a: 2 } }, 1, 1])
    await scene.push('switch_id,a\nsw4,4\n')
    expect(await scene.shown()).toEqual({ sw2: { a: 2 }, sw4: { a: 4 } })
  })

  it('are taken one push after the other, whatever became of the one before', async () => {
    const scene = new Scene()
    const pushes = ['switch_id,a\nsw1,1\n', 'none\n', 'switch_id,b\nsw1,2\n'].map((csv) => scene.push(csv))
    const [first, second, third] = await Promise.all(pushes)
    expect([first, third]).toEqual([undefined, undefined])
    expect(second).toBeInstanceOf(TableError)
    expect(await scene.shown()).toEqual({ sw1: { a: 1, b: 2 } })
  })

  it('are kept together up to a bound of rows, and of metrics', async () => {
    const scene = new Scene()
    const rows = (from: number, count: number): string =>
      `switch_id,a\n${Array.from({ length: count }, (_, i) => `sw${from + i},1\n`).join('')}`
    expect(await scene.push(rows(0, 200_000))).toBeUndefined()
    const more = await scene.push(rows(200_000, 1))
    expect([more instanceof PushTooLarge, String(more)]).toEqual([true, 'PushTooLarge: 200001 rows; at most 200000 are kept together']) // biome-ignore format: one line
    expect(await scene.push(rows(5, 1))).toBeUndefined()
    await scene.push('switch_id,a\nsw1,1\n', true)
    const metrics = (from: number): string => Array.from({ length: 300 }, (_, i) => `m${from + i}`).join(',')
    const ones = ',1'.repeat(300)
    expect(await scene.push(`switch_id,${metrics(0)}\nsw1${ones}\n`)).toBeUndefined()
    const wider = await scene.push(`switch_id,${metrics(300)}\nsw1${ones}\n`)
    expect(String(wider)).toBe('PushTooLarge: 601 metrics; at most 512 are kept together')
    expect(Object.keys((await scene.shown()).sw1!)).toHaveLength(301)
  })
})
