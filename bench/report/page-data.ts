import { decimalText } from '../../internal/text/count.ts'
import { sizeText } from '../../internal/text/size.ts'
import type { TimelinePoint } from '../load/load.ts'
import { curveOf, ONE_IN } from './curve.ts'
import { balanceOf, figuresOf, ratioOf } from './figures.ts'
import type { Flame } from './flame.ts'
import type { Pass, Report } from './report.ts'

/** The call trees of a pass; undefined without a profile. */
export interface PassFlames {
  readonly cpu: Flame | undefined
  readonly allocations: Flame | undefined
}

const LATENCIES = [
  ['Internal', ({ load }: Pass) => load.servers?.latency.internal],
  ['End to end', ({ load }: Pass) => load.servers?.latency.e2e],
  ['Durable', ({ load }: Pass) => load.servers?.latency.durable],
  ['Lateness of the sender', ({ load }: Pass) => load.lateness],
] as const

/**
 * The data of the page. A test checks that bench/page/data.ts has the same shape.
 *
 * @param flames one for each pass
 */
export function pageData(report: Report, flames: readonly PassFlames[]) {
  return {
    startedAt: report.startedAt,
    command: report.command,
    oneIn: ONE_IN,
    groups: groupsOf(report.passes).map(groupData),
    profiled: report.passes.flatMap((pass, i) => {
      const profiles = profilesOf(pass, flames[i]!)
      return profiles.length === 0 ? [] : [{ name: pass.name, condition: pass.condition, profiles }]
    }),
    origin: originOf(report),
  }
}

/** By condition, in the order of the report. */
function groupsOf(passes: readonly Pass[]): Pass[][] {
  const groups = new Map<string, Pass[]>()
  for (const pass of passes) {
    const group = groups.get(pass.condition)
    if (group === undefined) groups.set(pass.condition, [pass])
    else group.push(pass)
  }
  return [...groups.values()]
}

function groupData(passes: readonly Pass[]) {
  return {
    condition: passes[0]!.condition,
    passes: passes.map((pass) => ({
      name: pass.name,
      startedAt: pass.startedAt,
      seconds: pass.load.seconds,
      samplesPerSecond: pass.load.samples / pass.load.seconds,
      balance: balanceOf(pass),
      timeline: timelineOf(pass),
    })),
    figures: figuresOf(passes).map((group) => ({
      ...group,
      rows: group.rows.map(({ name, unit, values, decimals, glance }) => ({
        name,
        unit,
        glance: glance ?? null,
        cells: values.map((value, i) => ({
          value: value ?? null,
          text: decimalText(value, decimals),
          ratio: i === 0 ? '' : ratioOf(value, values[0]),
        })),
      })),
    })),
    latencies: LATENCIES.map(([name, countsOf]) => ({
      name,
      curves: passes.map((pass) => {
        const counts = countsOf(pass)
        return counts === undefined ? ONE_IN.map(() => null) : curveOf(counts)
      }),
    })),
  }
}

/** In columns, each with one value for each second of the measurement. */
function timelineOf({ load }: Pass) {
  const { timeline } = load
  const samplesPerMessage = load.messages === 0 ? 0 : load.samples / load.messages
  const perSecond = (read: (point: TimelinePoint) => number): number[] =>
    timeline.map((point, i) => {
      const before = timeline[i - 1]
      const seconds = (point.atMs - (before?.atMs ?? 0)) / 1000
      return (read(point) - (before === undefined ? 0 : read(before))) / seconds
    })
  return {
    seconds: timeline.map(({ atMs }) => atMs / 1000),
    sentPerSecond: perSecond(({ sent }) => sent * samplesPerMessage),
    writtenPerSecond: perSecond(({ written }) => written),
    inMemory: timeline.map(({ held, spooled }) => held - spooled),
    spooled: timeline.map(({ spooled }) => spooled),
    rssBytes: timeline.map(({ rssBytes }) => rssBytes),
    e2eP99Us: timeline.map(({ p99 }) => p99.e2e),
    durableP99Us: timeline.map(({ p99 }) => p99.durable),
  }
}

function profilesOf({ profiles }: Pass, { cpu, allocations }: PassFlames) {
  return [
    { name: 'CPU', file: profiles.cpu, flag: '', flame: cpu },
    { name: 'Allocations', file: profiles.heap[0], flag: '-alloc_space ', flame: allocations },
  ].flatMap(({ name, file, flag, flame }) =>
    file === undefined ? [] : [{ name, file, command: `go tool pprof -http=: ${flag}${file}`, flame: flame ?? null }],
  )
}

/** Where the results come from, as groups of names and values. */
function originOf({ machine, node, packageVersion, commit, stack, settings, passes }: Report) {
  return [
    {
      name: 'Machine',
      entries: [
        ['CPU', machine.cpu],
        ['cores', String(machine.cores)],
        ['memory', sizeText(machine.memoryBytes)],
        ['system', machine.kernel],
        ['load average before', decimalText(machine.loadAverage, 2)],
      ],
    },
    {
      name: 'Software',
      entries: [
        ['SentinelStream', packageVersion],
        ['commit', commitText(commit)],
        ['Node.js of the load', node],
        ...Object.entries(stack.versions),
        ...stack.notes.map((note) => ['set', note]),
        ['servers run as', stack.kind === 'compose' ? 'containers (Docker Compose)' : 'processes of the machine'],
      ],
    },
    { name: 'Settings', entries: Object.entries(settings) },
    ...histogramsOf(passes),
  ]
}

/** The files for HdrHistogram's plotters. */
function histogramsOf(passes: readonly Pass[]) {
  const entries = passes.flatMap(({ name, condition, histograms }) =>
    histograms === undefined ? [] : [[`${name}, ${condition}`, Object.values(histograms).join(' ')]],
  )
  return entries.length === 0 ? [] : [{ name: 'Latencies for HdrHistogram', entries }]
}

function commitText(commit: Report['commit']): string {
  if (commit === undefined) return 'unknown: not run from a checkout'
  const hash = commit.hash.slice(0, 12)
  return commit.changed ? `${hash}, and the tree had changes` : hash
}
