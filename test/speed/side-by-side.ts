import { median } from '../bench/median.ts'
import { cpuUsOf, runHelper } from './processes.ts'
import type { Context } from './row.ts'

export const CONNECTIONS = 50
/** Requests of this machine have no limit, so each says that a proxy brings it from elsewhere. The address is one for documentation. */
export const FROM_ELSEWHERE = 'X-Forwarded-For: 192.0.2.1'
/** Makes an API believe that header, and count the requests against limits that none of them reaches. */
export const BEHIND_PROXY = [
  '--api-trust-proxy',
  '--api-requests-per-minute=1000000000',
  '--api-requests-per-minute-per-key=1000000000',
]
/** How often they take turns. A disturbance then hits all of them, and the median of many short turns leaves it out. */
const TURNS = 11
/** A process that uses more of a core than this limits the rate. */
const BUSY = 0.9

/** The result of one http-client-process.ts. */
interface Asked {
  readonly requests: number
  readonly seconds: number
  readonly cpuUs: number
}

/** A server that is asked. */
export interface Side {
  readonly url: string
  readonly pid: number
  /** Of each request, beside the address that it is said to come from: `X-API-Key: …`. */
  readonly header?: string
}

/** Asks servers in turns, for `seconds` each in all. @returns what each of them answered */
export async function sideBySide<Name extends string>(
  sides: Readonly<Record<Name, Side>>,
  { settings, signal, say }: Context,
): Promise<Record<Name, Tally>> {
  const seconds = settings.seconds / TURNS
  const names = Object.keys(sides) as Name[]
  const seen = Object.fromEntries(names.map((name) => [name, new Tally(sides[name])])) as Record<Name, Tally>
  for (let turn = 1; turn <= TURNS; turn++) {
    say(`turn ${turn} of ${TURNS}, ${seconds.toFixed(1)} s each`)
    for (const name of names) await seen[name].add(seconds, signal)
  }
  return seen
}

/** The median over the turns of the ratio within each turn. */
export function ratioOf(ours: Tally, other: Tally): number {
  return median(ours.rates.map((rate, turn) => rate / other.rates[turn]!))
}

/** The results of one server over all its turns. */
export class Tally {
  /** Requests a second, by turns. */
  readonly rates: number[] = []
  readonly #side: Side
  #requests = 0
  #seconds = 0
  #clientUs = 0
  #serverUs = 0

  constructor(side: Side) {
    this.#side = side
  }

  async add(seconds: number, signal: AbortSignal): Promise<void> {
    const { url, pid, header } = this.#side
    const headers = header === undefined ? FROM_ELSEWHERE : `${FROM_ELSEWHERE}\r\n${header}`
    const before = cpuUsOf(pid)
    const startedAtMs = performance.now()
    const asked = await runHelper<Asked>('http-client', [url, `${CONNECTIONS}`, `${seconds}`, headers], signal)
    // The server's CPU time includes the client's warm-up, in which it is as busy. The share of the warm-up is taken
    // off.
    const measured = asked.seconds / ((performance.now() - startedAtMs) / 1000)
    this.#serverUs += (cpuUsOf(pid) - before) * measured
    this.rates.push(asked.requests / asked.seconds)
    this.#requests += asked.requests
    this.#seconds += asked.seconds
    this.#clientUs += asked.cpuUs
  }

  /** Requests a second. */
  get rate(): number {
    return median(this.rates)
  }

  /** For a request. */
  get serverCpuUs(): number {
    return this.#serverUs / this.#requests
  }

  /** Which process could do no more. */
  get busiest(): string {
    const server = this.#serverUs / 1e6 / this.#seconds
    const client = this.#clientUs / 1e6 / this.#seconds
    if (Math.max(server, client) < BUSY) return 'neither process (the machine)'
    return server >= client ? 'the server' : 'the client'
  }
}
