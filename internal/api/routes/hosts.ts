import { type Static, Type } from '@sinclair/typebox'
import { acceptsGzip } from '../../http/accepts-gzip.ts'
import { JSON_TYPE } from '../../http/answer.ts'
import type { App } from '../../http/app-types.ts'
import { COMPRESSION } from '../../http/compression.ts'
import { type Ready, type ReadyAnswer, readyAnswer } from '../../http/fast-lane.ts'
import { DATA_HEADERS } from '../../http/security-headers.ts'
import type { LogThrottle } from '../../observe/log-throttle.ts'
import { cleanText } from '../../sample/border.ts'
import type { Clock } from '../../time/clock.ts'
import { NO_FIGURES } from '../../view/hosts/figures.ts'
import type { HostsView } from '../../view/hosts/hosts-view.ts'
import type { HostsOfStore, KnownHosts } from '../../view/hosts/known-hosts.ts'
import { indexAfter, SortedNames } from '../../view/hosts/sorted-names.ts'
import { type HostsAnswer, HostsSchema, problems } from '../schemas.ts'
import { sendJson } from '../send-json.ts'
import { logStoreFault } from '../store-errors.ts'

export interface HostsOptions {
  readonly view: HostsView
  readonly known: KnownHosts
  /** How many GPUs each host has. */
  readonly gpuCounts: () => Promise<ReadonlyMap<string, number>>
  readonly clock: Clock
  readonly storeIsAway: () => boolean
  readonly faults: LogThrottle
}

type HostAnswer = HostsAnswer['hosts'][number]

/** The newest answer, and what it was made of. */
interface Made {
  readonly now: number
  readonly generation: number
  readonly stored: HostsOfStore
  /** By URL. */
  readonly answers: Map<string, ReadyAnswer>
}

/** 2.5 MB of JSON, which takes 20 ms to make. */
const MAX_HOSTS = 10_000

const QuerySchema = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MAX_HOSTS,
        description: `The most hosts of one answer. Default ${MAX_HOSTS}.`,
      }),
    ),
    after: Type.Optional(
      Type.String({
        maxLength: 1024,
        description: 'Only the hosts after this one, by name: `next` of the answer before.',
      }),
    ),
    contains: Type.Optional(
      Type.String({ maxLength: 1024, description: 'Only the hosts whose name contains this, in upper or lower case.' }),
    ),
    host: Type.Optional(Type.String({ maxLength: 1024, description: 'Only the host of this name.' })),
    brief: Type.Optional(
      Type.Boolean({
        description:
          'Of each host only its name, its age, whether it is stale, and its CPU use: what a list shows, in a third of the bytes.',
      }),
    ),
  },
  { additionalProperties: false },
)
type Question = Static<typeof QuerySchema>

/**
 * How long one answer serves all clients while nothing changes, µs. The answer says when it was made, and clients ask
 * again after a hundred times as long.
 */
const SHARED_US = 10_000

/**
 * A long answer serves ten times as long as it took to make, though the figures change: to list 10,000 hosts takes 30 ms,
 * and 50 open pages ask for them every two seconds. So long answers take a tenth of the time of this process at most.
 */
const SHARED_PER_DURATION = 10
const LONG_US = 2_000
/** Up to this length an answer is text, which leaves in one piece with its headers. */
const MOST_TEXT_BYTES = 16 * 1024
/** Long answers that are kept, 0.6 to 2.5 MB each. */
const MOST_LONG = 8

/**
 * `GET /hosts`: the hosts with their figures, page by page. While the store is away, those that it reported last and the live ones.
 */
export function addHostsRoute(app: App, answers: HostsAnswers): void {
  app.get(
    '/hosts',
    {
      schema: {
        operationId: 'listHosts',
        summary: 'The hosts of the last seven days, with their latest figures',
        tags: ['hosts'],
        querystring: QuerySchema,
        response: { 200: HostsSchema, ...problems(421, 429, 500) },
      },
    },
    async (request, reply) => sendJson(reply, (await answers.get(request.url, request.query)).body),
  )
}

/** The names that are asked for. */
function askedFor({ contains = '', host }: Question, names: readonly string[]): readonly string[] {
  if (host !== undefined) return names.filter((name) => name === cleanText(host))
  const part = cleanText(contains).toLowerCase()
  return part === '' ? names : names.filter((name) => name.toLowerCase().includes(part))
}

/** The same without fastify, while an answer that was made serves others too: nearly always, where many ask. */
export function readyHosts(answers: HostsAnswers): Ready {
  return ({ url, headers }) => {
    const answer = answers.made(url!)
    if (answer === undefined) return undefined
    const isZipped = Buffer.byteLength(answer.body) >= COMPRESSION.threshold && acceptsGzip(headers['accept-encoding'])
    return isZipped ? undefined : answer
  }
}

function readyJson(value: HostsAnswer): ReadyAnswer {
  const json = JSON.stringify(value)
  const bytes = Buffer.from(json)
  return readyAnswer({ ...DATA_HEADERS, 'content-type': JSON_TYPE }, bytes.length <= MOST_TEXT_BYTES ? json : bytes)
}

/** Makes the answers of `GET /hosts`, as JSON. */
export class HostsAnswers {
  readonly #options: HostsOptions
  readonly #sorted = new SortedNames()
  /** The names in order, and what they were made of: with 10,000 hosts they take longer than a page of answers. */
  #names: { readonly stored: HostsOfStore; readonly version: number; readonly sorted: readonly string[] } | undefined
  #newest: Made | undefined
  #gpuCounts: ReadonlyMap<string, number> = new Map()
  /** By URL, the oldest first. */
  readonly #long = new Map<
    string,
    { readonly answer: ReadyAnswer; readonly madeAt: number; readonly goodForUs: number }
  >()

  constructor(options: HostsOptions) {
    this.#options = options
  }

  async get(url: string, question: Question): Promise<ReadyAnswer> {
    const { known, clock, gpuCounts } = this.#options
    const stored = await known.get()
    if (stored.failure !== undefined) logStoreFault(this.#options.faults, stored.failure)
    this.#gpuCounts = await gpuCounts()
    const beganAt = clock.now()
    const ready = this.#ready(url, stored, beganAt)
    if (ready !== undefined) return ready
    if (!this.#isNewest(stored, beganAt)) {
      this.#newest = { now: beganAt, generation: this.#options.view.generation, stored, answers: new Map() }
    }
    const { now, answers } = this.#newest!
    const answer = readyJson(this.#answerOf(stored, now, question))
    answers.set(url, answer)
    this.#keepIfLong(url, answer, now, clock.now() - beganAt)
    return answer
  }

  /** The answer that was made to the same question, while it serves others too. */
  made(url: string): ReadyAnswer | undefined {
    const { known, clock } = this.#options
    return this.#ready(url, known.last, clock.now())
  }

  #ready(url: string, stored: HostsOfStore, now: number): ReadyAnswer | undefined {
    const newest = this.#isNewest(stored, now) ? this.#newest!.answers.get(url) : undefined
    return newest ?? this.#longAnswer(url, now)
  }

  /** Whether nothing has changed since the newest answers, and they are not too old. */
  #isNewest(stored: HostsOfStore, now: number): boolean {
    const newest = this.#newest
    if (newest === undefined || newest.stored !== stored || newest.generation !== this.#options.view.generation)
      return false
    return Math.abs(now - newest.now) < SHARED_US
  }

  #longAnswer(url: string, now: number): ReadyAnswer | undefined {
    const long = this.#long.get(url)
    if (long === undefined) return undefined
    const ageUs = now - long.madeAt
    if (ageUs >= 0 && ageUs < long.goodForUs) return long.answer
    this.#long.delete(url)
    return undefined
  }

  #keepIfLong(url: string, answer: ReadyAnswer, madeAt: number, tookUs: number): void {
    if (tookUs < LONG_US) return
    this.#long.set(url, { answer, madeAt, goodForUs: tookUs * SHARED_PER_DURATION })
    for (const oldest of this.#long.keys()) {
      if (this.#long.size <= MOST_LONG) break
      this.#long.delete(oldest)
    }
  }

  #answerOf(stored: HostsOfStore, now: number, question: Question): HostsAnswer {
    const { limit = MAX_HOSTS, after, brief = false } = question
    const matching = askedFor(question, this.#namesInOrder(stored))
    const from = after === undefined ? 0 : indexAfter(cleanText(after), matching)
    const page = matching.slice(from, from + limit)
    return {
      now,
      partial: !stored.complete || this.#options.storeIsAway(),
      total: matching.length,
      next: from + limit < matching.length ? page.at(-1)! : null,
      hosts: page.map((name) => (brief ? this.#briefAnswer : this.#hostAnswer)(name, stored, now)),
    }
  }

  #namesInOrder(stored: HostsOfStore): readonly string[] {
    const { version } = this.#options.view
    if (this.#names?.version !== version || this.#names.stored !== stored)
      this.#names = { stored, version, sorted: this.#sorted.update(this.#namesOf(stored)) }
    return this.#names.sorted
  }

  /** The live hosts that are watched, and those of the store that are not live. */
  #namesOf(stored: HostsOfStore): Set<string> {
    const { view } = this.#options
    const names = new Set<string>()
    for (const { name } of view.watched()) names.add(name)
    for (const name of stored.found.keys()) if (view.host(name) === undefined) names.add(name)
    return names
  }

  readonly #hostAnswer = (name: string, stored: HostsOfStore, now: number): HostAnswer => {
    const live = this.#options.view.host(name)
    const gpu_count = this.#gpuCounts.get(name) ?? 0
    if (live !== undefined) {
      const { stale, clockOffsetMs } = live
      const ageMs = Math.round(live.ageMs)
      const lastSeenAt = now - ageMs * 1000
      return { host: name, lastSeenAt, ageMs, stale, clockOffsetMs, ...live.figures(), gpu_count }
    }
    const { lastSeenAt, ageMs } = lastSeen(name, stored, now)
    return { host: name, lastSeenAt, ageMs, stale: true, clockOffsetMs: null, ...NO_FIGURES, gpu_count }
  }

  readonly #briefAnswer = (name: string, stored: HostsOfStore, now: number): HostAnswer => {
    const live = this.#options.view.host(name)
    if (live !== undefined) {
      return { host: name, ageMs: Math.round(live.ageMs), stale: live.stale, cpuPercent: live.cpuPercent }
    }
    return { host: name, ageMs: lastSeen(name, stored, now).ageMs, stale: true, cpuPercent: null }
  }
}

/** When the store has seen a host of which nothing arrived here. Its newest sample may have a time in the future, where a clock was wrong. */
function lastSeen(name: string, stored: HostsOfStore, now: number): { lastSeenAt: number; ageMs: number } {
  const lastSeenAt = Math.min(stored.found.get(name)?.lastSeenAt ?? 0, now)
  return { lastSeenAt, ageMs: Math.round((now - lastSeenAt) / 1000) }
}
