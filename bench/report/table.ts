import { statsLine } from '../../internal/observe/latency.ts'
import { decimalText } from '../../internal/text/count.ts'
import { percentileOf } from '../load/hdr.ts'
import { balanceOf, type FigureRow, figuresOf, ratioOf } from './figures.ts'
import type { Pass, Report } from './report.ts'

const GAP = '   '

/** The results of a report for a terminal: one column a pass, each but the first with its ratio to the first. */
export function summaryTable({ passes }: Pick<Report, 'passes'>): string {
  const lines: Array<readonly string[]> = [['', ...passes.map(({ name }) => name)]]
  for (const { name, rows } of figuresOf(passes)) lines.push([], [name], ...rows.map(cellsOf))
  lines.push(['balance', ...passes.map((pass) => balanceOf(pass).words)])
  const widths = [0, ...passes].map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)))
  return lines.map((cells) => `${aligned(cells, widths).trimEnd()}\n`).join('')
}

function cellsOf({ name, unit, decimals, values }: FigureRow): string[] {
  const figures = values.map((value, i) => {
    const figure = decimalText(value, decimals)
    return i === 0 ? figure : `${figure} ${ratioOf(value, values[0]).padStart(RATIO_WIDTH)}`
  })
  return [`  ${name}${unit === '' ? '' : ` ${unit}`}`, ...figures]
}

/** ×100.00 */
const RATIO_WIDTH = 7

function aligned(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(GAP)
}

/**
 * The latency lines of one pass, which scripts parse. A server logs the same lines; these cover the whole measurement.
 * None without servers.
 */
export function statsLines({ load }: Pass): string[] {
  if (load.servers === undefined) return []
  const { internal, e2e, durable } = load.servers.latency
  const names = [
    ['INTERNAL', internal],
    ['E2E', e2e],
    ['DURABLE', durable],
  ] as const
  return names.map(([name, counts]) =>
    statsLine(name, {
      count: counts.count,
      p50Us: percentileOf(counts, 50),
      p90Us: percentileOf(counts, 90),
      p99Us: percentileOf(counts, 99),
      maxUs: counts.max,
    }),
  )
}
