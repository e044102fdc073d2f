import { errorText } from '../../internal/text/error-text.ts'
import type { HostFigures } from '../../internal/view/hosts/figures.ts'
import type { QueueFigures } from '../../internal/view/queue/figures.ts'
import { ApiError, refusalOf } from './api-error.ts'
import { request } from './request.ts'

/** What the list shows of a host. */
export interface HostRow extends Pick<HostFigures, 'cpuPercent'> {
  readonly host: string
  readonly ageMs: number
  readonly stale: boolean
  /** How many GPUs it has; absent where that is not asked for. */
  readonly gpu_count?: number
}

/** One host of `GET /api/v1/hosts`, with its figures. */
export interface Host extends HostFigures, HostRow {
  /** When its newest sample arrived, µs by the clock of the server. */
  readonly lastSeenAt: number
  /** How far its clock is ahead of the server's; negative where it is behind, null where that is unknown. */
  readonly clockOffsetMs: number | null
}

/** A page of the hosts, by name. */
export interface HostsPage<Row extends HostRow> {
  /** The clock of the server, µs since the epoch. */
  readonly now: number
  /** How many hosts there are, on all pages. */
  readonly total: number
  /** Where the next page begins; null on the last one. */
  readonly next: string | null
  readonly hosts: readonly Row[]
}

/** A sample as `/api/v1/live` sends it: an integer that a number cannot hold comes as text, `at` is µs since the epoch. */
export interface LiveSample {
  readonly measurement: string
  readonly tags: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, number | string | boolean>>
  readonly at: number
  /** When it arrived, µs by the clock of the server; not in history. */
  readonly arrivedAt?: number
  /** It is the last of its series, and came long ago. */
  readonly stale?: true
}

/** A metric of a fabric. The rate of a text, and of a gauge, says nothing. */
export interface FabricMetric {
  readonly name: string
  readonly kind: 'int' | 'float' | 'text'
  readonly isCounter: boolean
}

/** An address that the agent asks for the rows of a fabric. */
export interface FabricTarget {
  readonly target: string
  readonly up: boolean
  /** How old its newest good rows are. */
  readonly ageMs: number
  readonly error?: string
}

/** One fabric of `GET /api/v1/fabrics`: what its newest generation is made of. */
export interface Fabric {
  readonly fabric: string
  readonly subject: 'switch' | 'fabric_port'
  readonly generation: string
  /** When its newest rows arrived, and how often they come. */
  readonly ageMs: number
  readonly intervalMs: number
  readonly stale: boolean
  readonly rows: number
  readonly switches: number
  readonly metrics: readonly FabricMetric[]
  readonly targets: readonly FabricTarget[]
}

/** One metric of all rows of a generation, in natural order, the ports of a switch one after the other. */
export interface FabricCells {
  readonly generation: string
  readonly atUs: number
  readonly ids: readonly string[]
  /** Null where the source gave none, or no rate is known yet. */
  readonly values: readonly (number | string | null)[]
  /** The groups, in order; one without a name where rows are switches. */
  readonly groups: readonly { readonly name: string; readonly count: number }[]
}

/** A GPU, or a part of one that is used as one, as `/api/v1/gpus/live` tells of it. Null is what nobody told. */
export interface GpuTexts {
  /** Names it on that stream alone. */
  readonly n: number
  readonly uuid: string | null
  /** Its index on its host. */
  readonly gpu_id: string | null
  readonly model_name: string | null
  readonly hostname: string | null
  readonly mig: string | null
  /** What runs on it; several have commas between them. */
  readonly pod: string | null
  readonly namespace: string | null
}

export interface GpuList {
  /** Whether there are no others. */
  readonly whole: boolean
  readonly gpus: readonly GpuTexts[]
}

/** Rows of figures: which column is what, its head says. A figure that is unknown is null. */
export interface GpuFigures {
  /** When the newest figures of all arrived, µs by the clock of the server; 0 before the first. */
  readonly newest: number
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (number | null)[])[]
}

/** Something that happened to a host, a GPU or a switch. */
export interface ApiEvent {
  /** The start of the bucket in which it was seen, µs. */
  readonly at: number
  readonly kind: 'xid' | 'link_down' | 'host_restart' | 'agent_restart' | 'clock_step'
  readonly text: string
  readonly gpu: string | null
}

interface MetricsAnswer {
  readonly series: readonly {
    readonly field: string
    readonly tags: Readonly<Record<string, string>>
    readonly points: readonly (readonly [at: number, value: number | string | null])[]
  }[]
}

export interface MetricsQuestion {
  /** The resource that has the history, such as `hosts/web-01`. */
  readonly of: string
  /** What more tells which one it is: several fabrics may have a switch of that name. */
  readonly narrowed?: Readonly<Record<string, string>> | undefined
  readonly measurement: string
  readonly fields: readonly string[]
  readonly aggregate: 'mean' | 'last'
  readonly tag?: string
  readonly startMs: number
  readonly endMs: number
  readonly everyMs: number
}

// Without it a server that takes the connection and never answers would leave the page waiting for ever.
const TIMEOUT_MS = 10_000

async function getJson<T>(path: string, signal: AbortSignal): Promise<T> {
  return ask(path, signal, {}, async (response) => (await response.json()) as T)
}

/** @param read reads an answer that is no error; 304 is none */
async function ask<T>(
  path: string,
  signal: AbortSignal,
  headers: Record<string, string>,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  let response: Response
  try {
    response = await request(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]), headers })
    if (response.ok || response.status === 304) return await read(response)
  } catch (cause) {
    signal.throwIfAborted()
    throw new ApiError(0, errorText(cause), { cause })
  }
  throw await refusalOf(response)
}

/** Whose key a request has, and what it may do. */
export interface WhoAmI {
  readonly keyNeeded: boolean
  /** Null without a key, and where none is needed. */
  readonly name: string | null
  readonly scopes: readonly string[]
  /** When the key ends, µs; null where it does not. */
  readonly endsAt: number | null
}

export function getWhoAmI(signal: AbortSignal): Promise<WhoAmI> {
  return getJson('api/v1/whoami', signal)
}

/** So many hosts come with all their figures, within 0.13 MB. */
const MOST_WITH_FIGURES = 500
/** The most hosts of one answer. */
const MOST_OF_ANSWER = 10_000

/** The first hosts by name, with all their figures. */
export function getFirstHosts(signal: AbortSignal): Promise<HostsPage<Host>> {
  return getHosts({ limit: MOST_WITH_FIGURES }, signal)
}

/** The hosts after one, with what the list shows of them. */
export function getHostsAfter(after: string, signal: AbortSignal): Promise<HostsPage<HostRow>> {
  return getHosts({ limit: MOST_OF_ANSWER, after, brief: true }, signal)
}

/** One host; undefined where the API does not know it. */
export async function getHost(host: string, signal: AbortSignal): Promise<Host | undefined> {
  const { hosts } = await getHosts<Host>({ host }, signal)
  return hosts[0]
}

function getHosts<Row extends HostRow>(
  question: Readonly<Record<string, string | number | boolean>>,
  signal: AbortSignal,
): Promise<HostsPage<Row>> {
  const query = new URLSearchParams(Object.entries(question).map(([name, value]) => [name, `${value}`]))
  return getJson(`api/v1/hosts?${query}`, signal)
}

/** The fabrics that the API knows. */
export async function getFabrics(signal: AbortSignal): Promise<readonly Fabric[]> {
  const { fabrics } = await getJson<{ readonly fabrics: readonly Fabric[] }>('api/v1/fabrics', signal)
  return fabrics
}

export function getCells(
  question: { readonly fabric: string; readonly metric: string; readonly by: 'value' | 'rate' },
  signal: AbortSignal,
): Promise<FabricCells> {
  return getJson(`api/v1/fabrics/cells?${new URLSearchParams(question)}`, signal)
}

/** What happened, oldest first, to what the question names: `host`, `gpu`, `switch`. */
export async function getEvents(
  question: Readonly<Record<string, string>>,
  window: { readonly startMs: number; readonly endMs: number },
  signal: AbortSignal,
): Promise<readonly ApiEvent[]> {
  const [start, end] = [window.startMs, window.endMs].map((atMs) => `${Math.round(atMs * 1000)}`) as [string, string]
  const query = new URLSearchParams({ ...question, start, end })
  return (await getJson<{ readonly events: readonly ApiEvent[] }>(`api/v1/events?${query}`, signal)).events
}

/** The queue, and the tag by which it is asked for again. */
export interface QueueAnswer {
  readonly figures: QueueFigures
  readonly tag: string
}

/** @param known the answer before, which is given again where nothing has changed */
export function getQueue(known: QueueAnswer | undefined, signal: AbortSignal): Promise<QueueAnswer> {
  const headers: Record<string, string> = known === undefined ? {} : { 'if-none-match': known.tag }
  return ask('api/v1/queue', signal, headers, async (response) => {
    if (response.status === 304 && known !== undefined) return known
    return { figures: (await response.json()) as QueueFigures, tag: response.headers.get('etag') ?? '' }
  })
}

/** History in the shape of live samples, oldest first, so that the page reads both with the same code. */
export async function getHistory(question: MetricsQuestion, signal: AbortSignal): Promise<LiveSample[]> {
  const query = new URLSearchParams({
    ...question.narrowed,
    measurement: question.measurement,
    field: question.fields.join(','),
    start: `${Math.round(question.startMs * 1000)}`,
    end: `${Math.round(question.endMs * 1000)}`,
    every: question.everyMs % 1000 === 0 ? `${question.everyMs / 1000}s` : `${question.everyMs}ms`,
    aggregate: question.aggregate,
  })
  if (question.tag !== undefined) query.append('tag', question.tag)
  const path = `api/v1/${question.of}/metrics?${query}`
  return samplesOf(question.measurement, await getJson<MetricsAnswer>(path, signal))
}

function samplesOf(measurement: string, answer: MetricsAnswer): LiveSample[] {
  const samples = new Map<string, LiveSample & { fields: Record<string, number | string> }>()
  for (const { field, tags, points } of answer.series) {
    const series = JSON.stringify(Object.entries(tags).sort())
    for (const [at, value] of points) {
      if (value === null) continue
      const key = `${at} ${series}`
      const sample = samples.get(key)
      if (sample === undefined) samples.set(key, { measurement, tags, fields: { [field]: value }, at })
      else sample.fields[field] = value
    }
  }
  return [...samples.values()].sort((a, b) => a.at - b.at)
}
