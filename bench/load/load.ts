import type { LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { balance, reportedLost, type Whereabouts } from './balance.ts'
import { countUntilStill } from './count.ts'
import type { LoadAllocations, LoadOptions, LoadResult, Progress, ServersResult } from './load-types.ts'
import { preflight } from './preflight.ts'
import type { StepResult } from './sender.ts'
import { Senders } from './senders.ts'
import { between, ledgerBetween, type ServerFigures, Servers, sumOf } from './servers.ts'
import { type Settled, settle } from './settle.ts'
import { Timeline } from './timeline.ts'
import { doneOf, WINDOW } from './window.ts'

export type * from './load-types.ts'

/** All threads start at the same time. Each of them has this long to get ready before the first message is due. */
const START_IN_US = 200_000
/** How often a closed loop asks the servers how much they have done. */
const WINDOW_POLL_MS = 20
const SECOND_MS = 1000
/** How long a stopped run still waits for its messages to arrive and to be counted. */
const LAST_WAIT_MS = 10_000

/**
 * Sends a load and measures it, in five steps: the warm-up, the wait until the servers have settled it, the
 * measurement, the wait until they have settled that too, and the count in the store. The result therefore has the
 * latencies of all measured messages and of no others.
 *
 * @param signal stops sending. The run then waits some seconds for what was sent, and its result is partial
 * @throws Error that names what is missing or does not answer, and says what to do
 */
export async function runLoad(options: LoadOptions, signal: AbortSignal): Promise<LoadResult> {
  const servers = options.servers.length === 0 ? undefined : new Servers(options.servers, options.serverAccess)
  await Promise.all([preflight(options), servers?.ledger()])
  const senders = await Senders.open(options)
  const run = new LoadRun(options, senders, servers, signal)
  try {
    return await run.run()
  } finally {
    run.close()
    await senders.close()
  }
}

/** What a step sent. */
type Sent = StepResult & { readonly startUs: number }

class LoadRun {
  readonly #options: LoadOptions
  readonly #senders: Senders
  readonly #servers: Servers | undefined
  readonly #signal: AbortSignal
  /** Aborts `LAST_WAIT_MS` after `#signal`. */
  readonly #giveUp: AbortSignal
  /** Ends requests to the servers that are still open when the run ends. */
  readonly #requests = new AbortController()
  readonly #clock = new WallClock()
  readonly #samplesPerMessage: number

  constructor(options: LoadOptions, senders: Senders, servers: Servers | undefined, signal: AbortSignal) {
    this.#options = options
    this.#senders = senders
    this.#servers = servers
    this.#signal = signal
    this.#giveUp = delayed(signal, LAST_WAIT_MS)
    this.#samplesPerMessage = options.format === 'frame' ? options.samplesPerMessage : 1
  }

  async run(): Promise<LoadResult> {
    const { warmupMs, durationMs } = this.#options
    if (warmupMs > 0) await this.#warmUp(warmupMs)
    if (this.#signal.aborted) throw new Error('stopped before the measurement began')

    const before = await this.#servers?.figures()
    const timeline = before && new Timeline(before, this.#options.onLatencies)
    const allocations = this.#servers && this.#allocations(this.#servers)
    const cpuBefore = process.cpuUsage()
    const sent = await this.#play('measure', durationMs, before && ledgerOf(before), timeline)
    const cpu = process.cpuUsage(cpuBefore)
    const partial = this.#signal.aborted
    const { tookMs: settleMs } = await this.#settle(sent, before && ledgerOf(before))
    const servers = before && timeline && (await this.#afterwards(before, timeline, sent, await allocations))
    const whereabouts = await this.#find(sent, servers?.ledger)
    return {
      messages: sent.messages,
      samples: whereabouts.sent,
      seconds: Math.max(partial ? 0 : durationMs / 1000, (sent.lastSentUs - sent.startUs) / 1e6),
      startUs: sent.startUs,
      endUs: sent.endUs,
      partial,
      unreceived: sent.unreceived,
      unreceivedSamples: whereabouts.unreceived,
      lateness: sent.lateness,
      reply: sent.reply,
      senderCpuUs: cpu.user + cpu.system,
      settleMs,
      servers,
      stored: whereabouts.stored,
      reportedLost: reportedLost(whereabouts),
      balance: balance(whereabouts),
      timeline: timeline?.points ?? [],
    }
  }

  /** Aborts open requests: the program could not end before their answers. */
  close(): void {
    this.#requests.abort()
  }

  async #warmUp(warmupMs: number): Promise<void> {
    const before = await this.#servers?.ledger()
    const { how } = await this.#settle(await this.#play('warm-up', warmupMs, before), before)
    if (how !== 'stuck' || this.#signal.aborted) return
    // Warm-up samples settled later would count in the latencies of the measurement.
    throw new Error('the servers do not settle the samples of the warm-up: does the store answer? see their logs')
  }

  /** Covers most of the measurement that begins now, and ends before it does. */
  #allocations(servers: Servers): Promise<LoadAllocations | undefined> {
    const seconds = Math.floor(this.#options.durationMs / SECOND_MS) - 1
    if (seconds < 1) return Promise.resolve(undefined)
    return servers.allocations(seconds, AbortSignal.any([this.#signal, this.#requests.signal]))
  }

  /** Sends for `durationMs`, and reads the servers' metrics once a second meanwhile. */
  async #play(
    step: 'warm-up' | 'measure',
    durationMs: number,
    before: LedgerCounts | undefined,
    timeline?: Timeline,
  ): Promise<Sent> {
    const { ratePerSecond } = this.#options
    const { tallies } = this.#senders
    const servers = this.#servers
    const startUs = this.#clock.now() + START_IN_US
    const isClosed = ratePerSecond === undefined
    const window = isClosed && servers !== undefined ? WINDOW : Infinity
    let sending: Promise<StepResult> = this.#senders.run({ startUs, durationMs, ratePerSecond, window }, step)
    const stop = (): void => tallies.stop()
    this.#signal.addEventListener('abort', stop)
    if (this.#signal.aborted) stop()
    if (window !== Infinity) {
      sending = meanwhile(sending, WINDOW_POLL_MS, async () => {
        const ledger = ledgerBetween(await servers!.ledger(), before!)
        tallies.done = doneOf(ledger, this.#samplesPerMessage) + tallies.unreceived
      })
    }
    let last = { atMs: 0, sent: 0 }
    try {
      const result = await meanwhile(sending, SECOND_MS, async () => {
        const atMs = (this.#clock.now() - startUs) / 1000
        if (atMs <= 0) return
        const figures = await servers?.figures()
        const { sent } = tallies
        const point = figures && timeline?.add(atMs, sent, figures)
        const perSecond = ((sent - last.sent) * 1000) / (atMs - last.atMs)
        last = { atMs, sent }
        const held = figures && ledgerOf(figures).held
        this.#tell(step, { atMs, ofMs: durationMs, sent, perSecond, held, e2eP99Us: point?.p99.e2e })
      })
      return { ...result, startUs }
    } finally {
      this.#signal.removeEventListener('abort', stop)
    }
  }

  /** Waits until the servers have settled what was sent. */
  async #settle(
    { messages, unreceived }: StepResult,
    before: LedgerCounts | undefined,
  ): Promise<{ how: Settled; tookMs: number }> {
    const servers = this.#servers
    if (servers === undefined || before === undefined) return { how: 'all', tookMs: 0 }
    const startedAtMs = performance.now()
    let toldAtMs = startedAtMs
    const how = await settle({
      expected: (messages - unreceived) * this.#samplesPerMessage,
      ledger: async () => ledgerBetween(await servers.ledger(), before),
      signal: this.#giveUp,
      onPoll: ({ held }) => {
        const nowMs = performance.now()
        if (nowMs - toldAtMs < SECOND_MS) return
        toldAtMs = nowMs
        this.#tell('settle', { atMs: nowMs - startedAtMs, sent: messages, held })
      },
    })
    return { how, tookMs: performance.now() - startedAtMs }
  }

  async #afterwards(
    before: readonly ServerFigures[],
    timeline: Timeline,
    { startUs }: Sent,
    allocations: LoadAllocations | undefined,
  ): Promise<ServersResult> {
    const after = await this.#servers!.figures()
    timeline.end((this.#clock.now() - startUs) / 1000, after)
    const rssBytes = Math.max(
      after.reduce((sum, figures) => sum + figures.rssBytes, 0),
      ...timeline.points.map((point) => point.rssBytes),
    )
    return { ...between(after, before), rssBytes, allocations }
  }

  /** Finds out where the samples are. A stopped run leaves out the count of the store if it takes too long. */
  async #find(sent: Sent, ledger: LedgerCounts | undefined): Promise<Whereabouts> {
    const { countStored, format } = this.#options
    const known = {
      format,
      sent: sent.messages * this.#samplesPerMessage,
      unreceived: sent.unreceived * this.#samplesPerMessage,
      ledger,
      stored: undefined,
    }
    if (countStored === undefined) return known
    this.#tell('count', { sent: sent.messages })
    const expected = known.sent - reportedLost(known)
    try {
      return { ...known, stored: await countUntilStill({ countStored, range: sent, expected, signal: this.#giveUp }) }
    } catch (error) {
      if (this.#giveUp.aborted) return known
      throw error
    }
  }

  #tell(step: Progress['step'], known: Partial<Progress>): void {
    const nothing = { atMs: 0, ofMs: 0, sent: 0, perSecond: undefined, held: undefined, e2eP99Us: undefined }
    this.#options.onProgress({ step, ...nothing, ...known })
  }
}

function ledgerOf(all: readonly ServerFigures[]): LedgerCounts {
  return sumOf(all.map(({ ledger }) => ledger))
}

/** Repeats `work` until `main` is settled. Rejects with the first failure of the two. */
async function meanwhile<T>(main: Promise<T>, everyMs: number, work: () => Promise<void>): Promise<T> {
  let pending = true
  const end = (): void => {
    pending = false
  }
  const over = main.then(end, end)
  const again = async (): Promise<void> => {
    while (pending) {
      await work()
      await Promise.race([over, sleep(everyMs)])
    }
  }
  const [result] = await Promise.all([main, again()])
  return result
}

/** A signal that aborts `ms` after another one. */
function delayed(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController()
  const abort = (): void => void setTimeout(() => controller.abort(), ms).unref()
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return controller.signal
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
