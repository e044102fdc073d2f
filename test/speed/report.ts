import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { decimalText, numberText } from '../../internal/text/count.ts'
import type { RowResult, SpeedFile } from './result.ts'
import type { Reach } from './row.ts'

/** The table, in Markdown: a line for each figure. */
export function table(rows: readonly RowResult[]): string {
  const titles = ['row', 'figure', 'median', 'spread', 'reach', 'met']
  const lines = rows.flatMap((row) =>
    row.figures.map((figure, n) => [
      n === 0 ? row.id : '',
      figure.name,
      `${decimalText(figure.median, figure.decimals)}${figure.unit === '' ? '' : ` ${figure.unit}`}`,
      decimalText(figure.spread, figure.decimals),
      reachOf(figure.reach),
      figure.met === undefined ? '' : figure.met ? 'yes' : 'no',
    ]),
  )
  return [titles, titles.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** What the table has no place for, a line each. */
export function remarks(rows: readonly RowResult[]): string[] {
  return rows.flatMap(({ id, notes }) => notes.map((note) => `${id}: ${note}`))
}

function reachOf(reach: Reach | undefined): string {
  if (reach === undefined) return ''
  return 'atLeast' in reach ? `≥ ${numberText(reach.atLeast)}` : `≤ ${numberText(reach.atMost)}`
}

/** Puts rows into a file: in the place of older ones of their ids, which else stay as they are, in the order of `ids`. */
export function store(path: string, rows: readonly RowResult[], ids: readonly string[]): void {
  const known = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as SpeedFile).rows : []
  const byId = new Map([...known, ...rows].map((row) => [row.id, row]))
  const file: SpeedFile = { version: 1, rows: ids.flatMap((id) => byId.get(id) ?? []) }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(file, undefined, 2)}\n`)
}
