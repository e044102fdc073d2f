import type { Round } from '../../live/round.ts'
import { type FeedSink, StreamClient } from '../../live/stream-client.ts'
import type { Clock } from '../../time/clock.ts'
import type { LiveGpu } from './gpu.ts'
import type { GpuFigures } from './figures.ts'
import type { GpusView } from './gpus-view.ts'
import type { GpuIdentity } from './identity.ts'

/** How often a client is sent what changed, ms: 1,000 GPUs are 30 kB then. */
const EVERY_MS = 1_000

const COLUMNS = ['utilization_percent', 'memory_percent', 'temperature_celsius', 'power_watts', 'xid'] as const

const HEAD = JSON.stringify(['n', 'state', 'seen', ...COLUMNS])
/** The newest figures of a fleet are told anew when they are younger by this, µs. */
const NEWER_US = 900_000

/** Which GPUs a client wants to see. */
export type GpuFilter = (gpu: GpuIdentity) => boolean

/** A GPU as a client has been told of it. */
interface Told {
  readonly n: number
  readonly texts: string
  row: string
}

/**
 * A client that wants the current figures of all GPUs: first all, then once a second those that changed. The newest ones replace those that it
 * was too slow for, so it is owed nothing.
 */
export class GpusClient extends StreamClient {
  readonly #view: GpusView
  readonly #filter: GpuFilter
  readonly #clock: Clock
  readonly #told = new Map<LiveGpu, Told>()
  #numbers = 0
  #version = 0
  #sentMs = -Infinity
  /** When the newest figures that it has been told of arrived, µs. */
  #newest = 0
  #generation = -1

  constructor(sink: FeedSink, view: GpusView, clock: Clock, filter: GpuFilter) {
    super(sink)
    this.#view = view
    this.#clock = clock
    this.#filter = filter
  }

  begin(nowMs: number): void {
    this.#send(nowMs)
  }

  send(_round: Round, nowMs: number): boolean {
    // The feed's ticks are not exact: one that is a little early is the one of this second.
    return nowMs - this.#sentMs < EVERY_MS * 0.9 ? false : this.#send(nowMs)
  }

  wait(): number {
    return 0
  }

  resume(nowMs: number): void {
    this.waitingSinceMs = undefined
    if (nowMs - this.#sentMs >= EVERY_MS) this.#send(nowMs)
  }

  #send(nowMs: number): boolean {
    const isFirst = this.#version === 0
    // Only what arrives, or becomes stale, changes anything.
    if (!isFirst && this.#view.generation === this.#generation) return false
    this.#generation = this.#view.generation
    const events = this.#gpus(isFirst) + this.#rows(isFirst)
    if (events === '') return false
    this.#sentMs = nowMs
    this.write(Buffer.from(events), nowMs)
    return true
  }

  /** The event about the GPUs themselves; '' where there is nothing new about them. */
  #gpus(isFirst: boolean): string {
    const wanted = new Map<LiveGpu, string>()
    for (const gpu of this.#view.all()) {
      const { identity } = gpu
      if (this.#filter(identity)) wanted.set(gpu, textsOf(identity))
    }
    let isWhole = isFirst
    for (const gpu of this.#told.keys()) if (!wanted.has(gpu)) isWhole = this.#told.delete(gpu)
    const changed: string[] = []
    for (const [gpu, texts] of wanted) {
      const before = this.#told.get(gpu)
      if (before?.texts !== texts)
        this.#told.set(gpu, { n: before?.n ?? this.#numbers++, texts, row: before?.row ?? '' })
      if (isWhole || before?.texts !== texts) changed.push(`{"n":${this.#told.get(gpu)!.n},${texts}}`)
    }
    if (changed.length === 0 && !isWhole) return ''
    this.#version++
    return `event: gpus\ndata: {"version":${this.#version},"whole":${isWhole},"now":${this.#clock.now()},"gpus":[${changed.join(',')}]}\n\n`
  }

  #rows(isFirst: boolean): string {
    const rows: string[] = []
    let newest = this.#newest
    for (const [gpu, told] of this.#told) {
      const { stale, arrivedAt } = gpu
      newest = Math.max(newest, arrivedAt)
      // The age of what is fresh is that of the newest: a time in each row would send all of them each second.
      const row = `[${told.n},${stale ? 1 : 0},${stale ? arrivedAt : null},${rowOf(gpu.figures())}]`
      if (row === told.row) continue
      told.row = row
      rows.push(row)
    }
    if (rows.length === 0 && !isFirst && newest - this.#newest < NEWER_US) return ''
    this.#newest = newest
    return `event: figures\ndata: {"version":${this.#version},"now":${this.#clock.now()},"newest":${newest},"columns":${HEAD},"rows":[${rows.join(',')}]}\n\n`
  }
}

/** Made once for all clients, and for as long as nothing of it changes. */
const TEXTS = new WeakMap<GpuIdentity, string>()
const ROWS = new WeakMap<GpuFigures, string>()

/** JSON without braces. */
function textsOf(identity: GpuIdentity): string {
  let texts = TEXTS.get(identity)
  if (texts === undefined) {
    texts = JSON.stringify(shownIdentity(identity)).slice(1, -1)
    TEXTS.set(identity, texts)
  }
  return texts
}

function rowOf(figures: GpuFigures): string {
  let row = ROWS.get(figures)
  if (row === undefined) {
    row = COLUMNS.map((column) => figures[column] ?? 'null').join()
    ROWS.set(figures, row)
  }
  return row
}

/** As the API names them; null is what is not known. */
export function shownIdentity({ uuid, gpu, deviceId, model, host, mig, pod, namespace, container }: GpuIdentity) {
  return {
    uuid: uuid || null,
    gpu_id: gpu || null,
    device_id: deviceId,
    model_name: model || null,
    hostname: host || null,
    mig: mig || null,
    ...{ pod, namespace, container },
  }
}
