import { askText } from '../../internal/http/ask.ts'
import type { Allocations, DebugMetrics, Latencies, LedgerCounts } from '../../internal/observe/debug-metrics.ts'
import { type Counts, merge, subtract } from './counts.ts'
import { decodeCounts } from './hdr.ts'
import type { LoadAllocations, ServerAccess, ServersResult } from './load-types.ts'

/** An admin listener that does not answer within this time counts as gone. */
const ANSWER_MS = 10_000

/** What a server says of itself, decoded. Everything counts since the start of its process. */
export interface ServerFigures extends Omit<DebugMetrics, 'latency' | 'gc'> {
  /** µs */
  readonly latency: Latencies<Counts>
  readonly gc: Counts
}

/** Reads the metrics of all servers of a load from their admin listeners. */
export class Servers {
  readonly #urls: readonly string[]
  readonly #access: ServerAccess

  constructor(urls: readonly string[], access: ServerAccess = {}) {
    this.#urls = urls
    this.#access = access
  }

  /** Summed over the servers. @throws Error that names the server that does not answer, and says what to do */
  async ledger(): Promise<LedgerCounts> {
    return sumOf(await this.#all<LedgerCounts>('/debug/ledger'))
  }

  /** The metrics of each server, in the order of the servers. */
  async figures(): Promise<ServerFigures[]> {
    return (await this.#all<DebugMetrics>('/debug/figures')).map(({ latency, gc, ...others }) => {
      return { ...others, latency: ofEach(latency, decodeCounts), gc: decodeCounts(gc) }
    })
  }

  /** What all servers together allocate in the next seconds. Undefined where one of them does not answer. */
  async allocations(seconds: number, signal: AbortSignal): Promise<LoadAllocations | undefined> {
    const path = `/debug/allocations?seconds=${seconds}`
    try {
      const before = await this.ledger()
      const all = await this.#all<Allocations>(
        path,
        AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000 + ANSWER_MS)]),
      )
      const { received, own } = ledgerBetween(await this.ledger(), before)
      const sum = (of: (one: Allocations) => number): number => all.reduce((total, one) => total + of(one), 0)
      return {
        seconds,
        samples: received - own,
        heapBytes: sum(({ heapBytes }) => heapBytes),
        externalBytes: sum(({ externalBytes }) => externalBytes),
        collections: sum(({ collections }) => collections),
        pauseUs: sum(({ pauseUs }) => pauseUs),
      }
    } catch {
      return undefined
    }
  }

  #all<T>(path: string, signal = AbortSignal.timeout(ANSWER_MS)): Promise<T[]> {
    return Promise.all(this.#urls.map((url) => ask<T>(url, path, { ...this.#access, signal })))
  }
}

/** The difference of two readings, summed over the servers. @throws Error where a server was restarted in between */
export function between(
  later: readonly ServerFigures[],
  earlier: readonly ServerFigures[],
): Pick<ServersResult, 'latency' | 'gc' | 'cpuUs' | 'ledger'> {
  const total = (all: readonly ServerFigures[]): number => all.reduce((sum, { cpuUs }) => sum + cpuUs, 0)
  return {
    latency: latencyBetween(later, earlier),
    gc: merge(later.map(({ gc }, n) => subtract(gc, earlier[n]!.gc))),
    cpuUs: total(later) - total(earlier),
    ledger: ledgerBetween(sumOf(later.map(({ ledger }) => ledger)), sumOf(earlier.map(({ ledger }) => ledger))),
  }
}

/** The latencies between two readings, over all servers. @throws Error where a server was restarted in between */
export function latencyBetween(later: readonly ServerFigures[], earlier: readonly ServerFigures[]): Latencies<Counts> {
  return ofEach(LATENCY_NAMES, (name) =>
    merge(later.map(({ latency }, n) => subtract(latency[name], earlier[n]!.latency[name]))),
  )
}

/** The difference of the counts. `held` and `spooled` are those of the later reading. */
export function ledgerBetween(later: LedgerCounts, earlier: LedgerCounts): LedgerCounts {
  const { held, spooled } = later
  return { ...combine(later, earlier, (a, b) => a - b), held, spooled }
}

export function sumOf(ledgers: readonly LedgerCounts[]): LedgerCounts {
  return ledgers.reduce((sum, ledger) => combine(sum, ledger, (a, b) => a + b))
}

const LATENCY_NAMES = { internal: 'internal', e2e: 'e2e', durable: 'durable' } as const

function ofEach<T, U>({ internal, e2e, durable }: Latencies<T>, make: (one: T) => U): Latencies<U> {
  return { internal: make(internal), e2e: make(e2e), durable: make(durable) }
}

function combine(one: LedgerCounts, other: LedgerCounts, by: (a: number, b: number) => number): LedgerCounts {
  const keys = Object.keys(one) as Array<keyof LedgerCounts>
  return Object.fromEntries(keys.map((key) => [key, by(one[key], other[key])])) as unknown as LedgerCounts
}

async function ask<T>(url: string, path: string, options: ServerAccess & { signal: AbortSignal }): Promise<T> {
  const { status, body } = await askText(new URL(path, url), options).catch((cause: unknown) => {
    const advice = 'is "server" or "sentinel up" running there? see --server and --server-ca-file, or --server none'
    throw new Error(`no server at ${url} (${reasonOf(cause)}): ${advice}`, { cause })
  })
  if (status === 200) return JSON.parse(body) as T
  if (status === 401 || status === 403) {
    const advice = 'set SERVICE_TOKEN_FILE to that of the server, or API_KEY_FILE to a key with the scope admin'
    throw new Error(`${url}${path} answers ${status}: ${advice}`)
  }
  throw new Error(`${url}${path} answers ${status}: is this the admin listener of a server? see --server`)
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message
}
