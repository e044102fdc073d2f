import { countText } from '../../internal/text/count.ts'
import type { BrokerKind } from './scene.ts'
import type { Verdict } from './verdict.ts'

/** The result of a row of the matrix. */
export interface Line {
  readonly broker: BrokerKind
  readonly fault: string
  /** How often the fault was injected. */
  readonly turns: number
  /** undefined when the row could not be run to its end. */
  readonly verdict: Verdict | undefined
  /** Empty when everything is right. */
  readonly problems: readonly string[]
  /** Why the row was not run. It then counts as neither good nor bad. */
  readonly notRun?: string
}

interface Column {
  readonly title: string
  readonly meaning: string
  readonly of: (verdict: Verdict) => string
}

const COLUMNS: readonly Column[] = [
  { title: 'sent', meaning: 'owed samples, as defined above', of: ({ sent }) => countText(sent) },
  {
    title: 'stored',
    meaning: 'owed samples in the database, with the content that was sent',
    of: (v) => countText(v.stored),
  },
  {
    title: 'dead letters',
    meaning: 'refused by the store, and kept with content and reason',
    of: ({ deadLetters }) => countText(deadLetters),
  },
  {
    title: 'dropped',
    meaning: 'dropped by a program that counted them, with the reason',
    of: ({ dropped, droppedBy }) => countText(dropped) + (droppedBy.length > 0 ? ` (${droppedBy.join(', ')})` : ''),
  },
  {
    title: 'lost',
    meaning: 'never arrived, by the numbers in the messages, as counted by the servers',
    of: ({ reportedLost }) => countText(reportedLost),
  },
  {
    title: 'at most',
    meaning: 'apart from those, from before the first message after a server was killed: an upper bound',
    of: ({ lostAtMost }) => countText(lostAtMost),
  },
  {
    title: 'over-reported',
    meaning: 'reported in the three columns before, although they are stored',
    of: ({ overReported }) => countText(overReported),
  },
  {
    title: 'duplicates',
    meaning: 'delivered more than once, as counted by the servers; the store has them once',
    of: ({ duplicatesSeen }) => countText(duplicatesSeen),
  },
  {
    title: '**unaccounted**',
    meaning:
      'missing, and in no counter. Over streams there is no excuse: every sample that was sent and is not stored is unaccounted',
    of: ({ unaccounted }) => `**${countText(unaccounted)}**`,
  },
  {
    title: 'fresh after',
    meaning: 'from the end of the last fault until a newer sample was stored',
    of: ({ freshAfterMs }) => seconds(freshAfterMs),
  },
  {
    title: 'all after',
    meaning: 'until no program held any sample, with the load still running if necessary',
    of: ({ caughtUpAfterMs }) => seconds(caughtUpAfterMs),
  },
]

/** The table, in Markdown. */
export function table(lines: readonly Line[]): string {
  const titles = ['broker', 'fault', 'times', ...COLUMNS.map(({ title }) => title), 'verdict']
  const divider = titles.map((_, i) => (i < 2 || i === titles.length - 1 ? '---' : '--:'))
  return [titles, divider, ...lines.map(cells)].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function cells({ broker, fault, turns, verdict, problems, notRun }: Line): string[] {
  const end =
    notRun !== undefined
      ? `not run: ${notRun}`
      : problems.length === 0
        ? 'good'
        : problems.join('; ').replaceAll(/\s+/g, ' ')
  const figures = COLUMNS.map(({ of }) => (verdict === undefined ? '–' : of(verdict)))
  return [broker, fault, `${turns}`, ...figures, end]
}

/** The meaning of the columns, as a list. */
export function legend(): string {
  return COLUMNS.map(({ title, meaning }) => `- ${title}: ${meaning}`).join('\n')
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
