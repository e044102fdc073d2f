import type { KeyRecord } from '../../../internal/auth/key-file.ts'

const HEADER = ['NAME', 'SCOPES', 'CREATED', 'ENDS']

export function table(records: readonly KeyRecord[], nowMs: number): string {
  const rows = [
    HEADER,
    ...records.map(({ name, scopes, createdAt, endsAt }) => {
      const ends = endsAt === undefined ? 'never' : `${day(endsAt)}${hasEnded(endsAt, nowMs) ? ' (ended)' : ''}`
      return [name, scopes.join(','), day(createdAt), ends]
    }),
  ]
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

export function asJson({ name, scopes, createdAt, endsAt }: KeyRecord): string {
  const ends = endsAt === undefined ? { endsAt: null, ended: false } : { endsAt, ended: hasEnded(endsAt, Date.now()) }
  return `${JSON.stringify({ name, scopes, createdAt, ...ends })}\n`
}

/** UTC, as everywhere. */
function day(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}

function hasEnded(endsAt: string, nowMs: number): boolean {
  return Date.parse(endsAt) <= nowMs
}
