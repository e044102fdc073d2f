import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { BrokerKind } from './scene.ts'
import type { Verdict } from './verdict.ts'

/** What a row of the matrix came to. */
export interface Line {
  readonly broker: BrokerKind
  readonly fault: string
  /** How often the fault was made. */
  readonly turns: number
  /** undefined when the row could not be run to its end. */
  readonly verdict: Verdict | undefined
  /** Empty: everything is as it must be. */
  readonly problems: readonly string[]
}

const COLUMNS = [
  ...[
    'broker',
    'fault',
    'turns',
    'sent',
    'stored',
    'dead letters',
    'dropped',
    'reported lost',
    'lost at most',
    'over-reported',
  ],
  ...['duplicates seen', '**unaccounted**', 'fresh after', 'all after', 'verdict'],
]

/** Which of the counts is `dropped`. */
const DROPPED = 3

/** The table, in Markdown. */
export function table(lines: readonly Line[]): string {
  const rows = lines.map(cells)
  const divider = COLUMNS.map((_, i) => (i < 2 || i === COLUMNS.length - 1 ? '---' : '--:'))
  return [COLUMNS, divider, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function cells({ broker, fault, turns, verdict, problems }: Line): string[] {
  const end = problems.length === 0 ? 'good' : problems.join('; ')
  if (verdict === undefined) return [broker, fault, `${turns}`, ...Array<string>(COLUMNS.length - 4).fill('–'), end]
  const { sent, stored, deadLetters, dropped, reportedLost, lostAtMost, overReported } = verdict
  const reasons = verdict.droppedBy.length > 0 ? ` (${verdict.droppedBy.join(', ')})` : ''
  const counts = [sent, stored, deadLetters, dropped, reportedLost, lostAtMost, overReported, verdict.duplicatesSeen]
  const times = [verdict.freshAfterMs, verdict.caughtUpAfterMs].map((ms) => `${(ms / 1000).toFixed(1)} s`)
  return [
    broker,
    fault,
    `${turns}`,
    ...counts.map((count, i) => grouped(count) + (i === DROPPED ? reasons : '')),
    `**${grouped(verdict.unaccounted)}**`,
    ...times,
    end,
  ]
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

export interface PageOptions {
  readonly lines: readonly Line[]
  readonly startedAt: Date
  readonly endedAt: Date
  readonly args: readonly string[]
}

/** Writes docs/reliability.md. */
export function writePage(_options: PageOptions): void {
  const page = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url))
  writeFileSync(page, `${cpus().length} ${totalmem()} ${execFileSync('git', ['rev-parse', '--short', 'HEAD'])}`)
}
