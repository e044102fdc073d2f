import {
  type Allocations,
  type DebugMetrics,
  type LedgerCounts,
  merge,
  subtract,
} from '../../internal/observe/debug-metrics.ts'
import type { LoadAllocations, ServersResult } from './load-types.ts'

/** An admin listener that does not answer within this time counts as gone. */
const ANSWER_MS = 10_000

/** Reads the metrics of all servers of a load from their admin listeners. */
export class Servers {
  readonly #urls: readonly string[]

  constructor(urls: readonly string[]) {
    this.#urls = urls
  }

  /** Summed over the servers. @throws Error that names the server that does not answer, and says what to do */
  async ledger(): Promise<LedgerCounts> {
    return sumOf(await this.#all<LedgerCounts>('/debug/ledger'))
  }

  /**
   * The metrics of each server, in the order of the servers.
   *
   * @param digits of the histograms. 2 while a server is measured: with 3 an answer costs it 4 ms and 2 MB
   */
  figures(digits: 2 | 3 = 3): Promise<DebugMetrics[]> {
    return this.#all<DebugMetrics>(digits === 3 ? '/debug/figures' : '/debug/figures?digits=2')
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
    return Promise.all(this.#urls.map((url) => ask<T>(url, path, signal)))
  }
}

/** The difference of two readings, summed over the servers. @throws Error where a server was restarted in between */
export function between(
  later: readonly DebugMetrics[],
  earlier: readonly DebugMetrics[],
): Pick<ServersResult, 'latency' | 'gc' | 'cpuUs' | 'ledger'> {
  const difference = (of: (figures: DebugMetrics) => DebugMetrics['gc']): DebugMetrics['gc'] =>
    merge(later.map((figures, n) => subtract(of(figures), of(earlier[n]!))))
  const total = (all: readonly DebugMetrics[]): number => all.reduce((sum, { cpuUs }) => sum + cpuUs, 0)
  return {
    latency: {
      internal: difference(({ latency }) => latency.internal),
      e2e: difference(({ latency }) => latency.e2e),
      durable: difference(({ latency }) => latency.durable),
    },
    gc: difference(({ gc }) => gc),
    cpuUs: total(later) - total(earlier),
    ledger: ledgerBetween(sumOf(later.map(({ ledger }) => ledger)), sumOf(earlier.map(({ ledger }) => ledger))),
  }
}

/** The difference of the counts. `held` and `spooled` are those of the later reading. */
export function ledgerBetween(later: LedgerCounts, earlier: LedgerCounts): LedgerCounts {
  const { held, spooled } = later
  return { ...combine(later, earlier, (a, b) => a - b), held, spooled }
}

export function sumOf(ledgers: readonly LedgerCounts[]): LedgerCounts {
  return ledgers.reduce((sum, ledger) => combine(sum, ledger, (a, b) => a + b))
}

function combine(one: LedgerCounts, other: LedgerCounts, by: (a: number, b: number) => number): LedgerCounts {
  const keys = Object.keys(one) as Array<keyof LedgerCounts>
  return Object.fromEntries(keys.map((key) => [key, by(one[key], other[key])])) as unknown as LedgerCounts
}

async function ask<T>(url: string, path: string, signal: AbortSignal): Promise<T> {
  let response: Response
  try {
    response = await fetch(new URL(path, url), { signal })
    if (response.ok) return (await response.json()) as T
    await response.body?.cancel()
  } catch (cause) {
    throw new Error(
      `no server at ${url} (${reasonOf(cause)}): is "server" or "sentinel up" running there? see --server, or --server none`,
      {
        cause,
      },
    )
  }
  throw new Error(`${url}${path} answers ${response.status}: is this the admin listener of a server? see --server`)
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message
}
