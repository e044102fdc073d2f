import type { HistoryQuery, HistorySeries, StoreReader } from '../../store/store.ts'
import { xidText } from './xid.ts'

export const EVENT_KINDS = ['xid', 'link_down', 'host_restart', 'agent_restart'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** Something that happened, as a chart marks it. */
export interface ChartEvent {
  /** Start of the bucket in which it was seen, µs. */
  readonly at: number
  readonly kind: EventKind
  /** In words. */
  readonly text: string
  /** Of an Xid its number, of links how often they went down. */
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
/** Two sources may tell of one error. */
const SAME_ERROR_US = 120e6

/** A change between two buckets of a series that follow each other. */
interface Step {
  readonly at: number
  readonly before: number
  readonly after: number
  readonly tags: Readonly<Record<string, string>>
}

/** Finds events in stored figures: the last Xid changes, a count of links grows, an uptime falls. Ascending by time. */
export async function findEvents(reader: StoreReader, query: EventsQuery, signal: AbortSignal): Promise<ChartEvent[]> {
  const events: ChartEvent[] = []
  const { gpu, host, switch: asked, kinds } = query
  const gpus = gpu ?? (host === undefined ? undefined : { host })
  if (kinds.has('xid') && gpus !== undefined) events.push(...(await xids(reader, query, gpus, signal)))
  if (kinds.has('link_down') && asked !== undefined) events.push(...(await linksDown(reader, query, asked, signal)))
  const falls = async (measurement: string, tags: Record<string, string>, field: string): Promise<Step[]> =>
    (await stepsOf(reader, query, { measurement, tags, fields: [field], aggregate: 'last' }, signal)).filter(
      ({ before, after }) => after < before,
    )
  const of = { value: null, host: host ?? null, gpu: null, switch: null }
  if (kinds.has('host_restart') && host !== undefined) {
    for (const { at } of await falls('system', { host }, 'uptime'))
      events.push({ ...of, at, kind: 'host_restart', text: 'the host was started again' })
  }
  if (kinds.has('agent_restart') && host !== undefined) {
    for (const { at } of await falls('sentinel_pipeline', { host, role: 'agent' }, 'produced'))
      events.push({ ...of, at, kind: 'agent_restart', text: 'the agent was started again' })
  }
  return events.sort((a, b) => a.at - b.at)
}

async function xids(
  reader: StoreReader,
  query: EventsQuery,
  tags: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ChartEvent[]> {
  const events: ChartEvent[] = []
  const add = ({ at, tags: of }: Step, xid: number): void => {
    const gpu = of.uuid ?? of.gpu ?? null
    const isKnown = events.some(
      (event) => event.gpu === gpu && event.value === xid && Math.abs(event.at - at) <= SAME_ERROR_US,
    )
    if (!isKnown)
      events.push({ at, kind: 'xid', text: xidText(xid), value: xid, host: of.host ?? null, gpu, switch: null })
  }
  const counts = [...(await reader.fieldKinds('gpu', signal)).keys()].filter((field) => XID_COUNT.test(field))
  for (const field of ['xid', ...counts]) {
    const steps = await stepsOf(reader, query, { measurement: 'gpu', tags, fields: [field], aggregate: 'last' }, signal)
    for (const step of steps) {
      if (field === 'xid' ? step.after > 0 : step.after > step.before)
        add(step, field === 'xid' ? step.after : Number(XID_COUNT.exec(field)![1]))
    }
  }
  return events
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
    if (after !== before) steps.push({ at: points[i]![0], before, after, tags })
  }
  return steps
}
