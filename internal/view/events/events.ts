import { ageText } from '../../text/duration.ts'
import type { HistoryQuery, HistorySeries, StoreReader } from '../../store/store.ts'
import { xidText } from './xid.ts'

export const EVENT_KINDS = ['xid', 'link_down', 'host_restart', 'agent_restart', 'clock_step'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** Something that happened, as a chart marks it. */
export interface ChartEvent {
  /** Start of the bucket in which it was seen, µs. */
  readonly at: number
  readonly kind: EventKind
  /** In words. */
  readonly text: string
  /** Of an Xid its number, of links how often they went down, of a clock by how many seconds it was set ahead. */
  readonly value: number | null
  readonly host: string | null
  /** The uuid of a GPU, or else its index. */
  readonly gpu: string | null
  readonly switch: string | null
}

/** Whose events are wanted: each set of tags is one thing. */
export interface EventSubjects {
  /** Tags of samples of `gpu`. */
  readonly gpu?: Readonly<Record<string, string>> | undefined
  readonly host?: string | undefined
  readonly switch?:
    | { readonly id: string; readonly measurements: readonly string[]; readonly tags: Readonly<Record<string, string>> }
    | undefined
}

export interface EventsQuery extends EventSubjects {
  readonly startUs: number
  readonly endUs: number
  readonly everyUs: number
  readonly kinds: ReadonlySet<EventKind>
}

/** Counts of how often a link went down, by the names that sources give them. */
const LINK_DOWNS = /^(link_?downed(_?counter)?(_?extended)?|link_down(_ib|_counter)?|link_down_events)$/i
/** Counts of Xid errors of the last minutes, by their number. */
const XID_COUNT = /^DCGM_EXP_XID_ERRORS_COUNT_xid_(\d+)$/
/** A figure of before the range says whether the first one in it has changed. */
const LEAD_BUCKETS = 12
/** Two sources may tell of one error, at different times. */
const SAME_ERROR_US = 120e6
/** An uptime has whole seconds, and is read some time after its tick: a smaller step of the clock is not told from that. */
const LEAST_CLOCK_STEP_US = 5e6

/** A change between two buckets of a series that follow each other. */
interface Step {
  readonly at: number
  /** How long after the bucket before, µs. */
  readonly afterUs: number
  readonly before: number
  readonly after: number
  readonly tags: Readonly<Record<string, string>>
}

/**
 * Finds events in stored figures: the last Xid changes, a count of links grows, an uptime falls, or grows by another time than has passed.
 * Ascending by time.
 */
export async function findEvents(reader: StoreReader, query: EventsQuery, signal: AbortSignal): Promise<ChartEvent[]> {
  const events: ChartEvent[] = []
  const { gpu, host, switch: asked, kinds } = query
  const gpus = gpu ?? (host === undefined ? undefined : { host })
  if (kinds.has('xid') && gpus !== undefined) events.push(...(await xids(reader, query, gpus, signal)))
  if (kinds.has('link_down') && asked !== undefined) events.push(...(await linksDown(reader, query, asked, signal)))
  if (host !== undefined) events.push(...(await ofHost(reader, query, host, signal)))
  return events.filter(({ kind }) => kinds.has(kind)).sort((a, b) => a.at - b.at)
}

/** Restarts of a host and its agent, and steps of its clock. */
async function ofHost(
  reader: StoreReader,
  query: EventsQuery,
  host: string,
  signal: AbortSignal,
): Promise<ChartEvent[]> {
  const { kinds, everyUs } = query
  // After a clock was set back, times have samples of before and of now: those of now have the larger counts.
  const steps = (measurement: string, tags: Record<string, string>, field: string): Promise<Step[]> =>
    stepsOf(reader, query, { measurement, tags, fields: [field], aggregate: 'max' }, signal)
  const of = { value: null, host, gpu: null, switch: null }
  const events: ChartEvent[] = []
  if (kinds.has('host_restart') || kinds.has('clock_step')) {
    for (const step of await steps('system', { host }, 'uptime')) {
      if (isFall(step)) events.push({ ...of, at: step.at, kind: 'host_restart', text: 'the host was started again' })
      else events.push(...clockStepIn(step, everyUs).map((found) => ({ ...of, ...found })))
    }
  }
  if (kinds.has('agent_restart')) {
    for (const { at } of (await steps('sentinel_pipeline', { host, role: 'agent' }, 'produced')).filter(isFall))
      events.push({ ...of, at, kind: 'agent_restart', text: 'the agent was started again' })
  }
  return events
}

const isFall = ({ before, after }: Step): boolean => after < before

/** The clock was set where its times and the uptime went on differently, by more than the width of a bucket explains. */
function clockStepIn({ at, afterUs, before, after }: Step, everyUs: number) {
  const aheadUs = afterUs - (after - before) * 1e6
  const byUs = Math.abs(aheadUs)
  if (byUs <= everyUs + LEAST_CLOCK_STEP_US) return []
  const text = `the clock was set ${aheadUs > 0 ? 'ahead' : 'back'} by about ${ageText(byUs / 1000)}`
  return [{ at, kind: 'clock_step', text, value: Math.round(aheadUs / 1e6) } as const]
}

async function xids(
  reader: StoreReader,
  query: EventsQuery,
  tags: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ChartEvent[]> {
  const steps = (field: string): Promise<Step[]> =>
    stepsOf(reader, query, { measurement: 'gpu', tags, fields: [field], aggregate: 'last' }, signal)
  const lasts = (await steps('xid')).filter(({ after }) => after > 0)
  const counted: CountedXid[] = []
  for (const field of (await reader.fieldKinds('gpu', signal)).keys()) {
    const [, xid] = XID_COUNT.exec(field) ?? []
    if (xid === undefined) continue
    for (const step of (await steps(field)).filter((step) => !isFall(step)))
      counted.push({ step, xid: Number(xid), times: step.after - step.before })
  }
  // The last Xid does not change when the same one comes again: only its count tells of that.
  for (const step of lasts) {
    const [nearest] = counted
      .filter((known) => isSameError(known, step))
      .toSorted((a, b) => apart(a, step) - apart(b, step))
    if (nearest !== undefined) nearest.times--
  }
  return [
    ...lasts.map((step) => xidEvent(step, step.after, 1)),
    ...counted.filter(({ times }) => times > 0).map(({ step, xid, times }) => xidEvent(step, xid, times)),
  ]
}

/** How often an Xid came by its count, without those that the last Xid shows. */
interface CountedXid {
  readonly step: Step
  readonly xid: number
  times: number
}

const apart = (counted: CountedXid, last: Step): number => Math.abs(counted.step.at - last.at)
const gpuOf = ({ tags }: Step): string | null => tags.uuid ?? tags.gpu ?? null

function isSameError(counted: CountedXid, last: Step): boolean {
  const { step, xid, times } = counted
  return times > 0 && xid === last.after && gpuOf(step) === gpuOf(last) && apart(counted, last) <= SAME_ERROR_US
}

function xidEvent(step: Step, xid: number, times: number): ChartEvent {
  const text = times === 1 ? xidText(xid) : `${xidText(xid)}, ${times} times`
  const { at, tags } = step
  return { at, kind: 'xid', text, value: xid, host: tags.host ?? null, gpu: gpuOf(step), switch: null }
}

async function linksDown(
  reader: StoreReader,
  query: EventsQuery,
  { id, measurements, tags }: NonNullable<EventSubjects['switch']>,
  signal: AbortSignal,
): Promise<ChartEvent[]> {
  const events: ChartEvent[] = []
  for (const measurement of measurements) {
    const fields = [...(await reader.fieldKinds(measurement, signal)).keys()].filter((field) => LINK_DOWNS.test(field))
    for (const field of fields) {
      for (const step of await stepsOf(
        reader,
        query,
        { measurement, tags, fields: [field], aggregate: 'max' },
        signal,
      )) {
        const times = step.after - step.before
        if (times <= 0) continue
        const port = step.tags.port_num === undefined ? '' : ` of port ${step.tags.port_num}`
        const text = `the link${port} went down${times === 1 ? '' : `, ${times} times`}`
        events.push({ at: step.at, kind: 'link_down', text, value: times, host: null, gpu: null, switch: id })
      }
    }
  }
  return events
}

/** The changes of figures within the range. */
async function stepsOf(
  reader: StoreReader,
  { startUs, endUs, everyUs }: EventsQuery,
  of: Pick<HistoryQuery, 'measurement' | 'tags' | 'fields' | 'aggregate'>,
  signal: AbortSignal,
): Promise<Step[]> {
  const lead = Math.max(0, startUs - LEAD_BUCKETS * everyUs)
  const found = await reader.history({ ...of, startUs: lead, endUs, everyUs }, signal)
  return found.flatMap(changesIn).filter(({ at }) => at + everyUs > startUs)
}

function changesIn({ tags, points }: HistorySeries): Step[] {
  const steps: Step[] = []
  for (let i = 1; i < points.length; i++) {
    const [before, after] = [Number(points[i - 1]![1]), Number(points[i]![1])]
    const [at, beforeAt] = [points[i]![0], points[i - 1]![0]]
    if (after !== before) steps.push({ at, afterUs: at - beforeAt, before, after, tags })
  }
  return steps
}
