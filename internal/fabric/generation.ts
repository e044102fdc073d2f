/** The fabric whose targets have no name of their own. Its series have no tag `fabric`. */
export const DEFAULT_FABRIC = 'default'

/** What a generation has of one target. */
export interface TargetHead {
  /** An address or file, without secrets, as operators know it. */
  readonly target: string
  /** Names the newest good snapshot among those of its target. */
  readonly snapshot: string
  /** Of the encoded snapshot. */
  readonly bytes: number
  /** When that snapshot was taken, µs since the epoch. */
  readonly takenAtUs: number
  readonly rows: number
  readonly badRows: number
  /** Whether the target answered when it was last asked. */
  readonly up: boolean
  /** Why not, for people. */
  readonly error?: string
}

/** What is announced of a generation: the newest good snapshot of each target. The snapshots themselves are put before. */
export interface GenerationHead {
  readonly fabric: string
  /**
   * Who announces. A fabric may have several publishers, such as two agents with a part of its targets each; the newest
   * head of each counts.
   */
  readonly publisher: string
  /** Grows with the rows, and stands still while there is nothing new. Sorts by time: see `generationId`. */
  readonly id: string
  /** When this generation was put together, µs since the epoch. */
  readonly atUs: number
  /** When the targets were last asked, µs since the epoch: a head that comes again with a later one says that there is nothing new. */
  readonly checkedAtUs: number
  /** How often the targets are asked; 0 where rows are pushed, at no known rate. */
  readonly intervalMs: number
  readonly targets: readonly TargetHead[]
  /** What the last cycle took. */
  readonly cycle: { readonly fetchMs: number; readonly parseMs: number; readonly publishMs: number }
}

/** Names one snapshot among all. */
export interface SnapshotName {
  readonly fabric: string
  readonly publisher: string
  readonly target: string
  readonly snapshot: string
}

/** Where the snapshots that a publisher has announced can be read: a part of the port `Snapshots` of a broker. */
export interface SnapshotSource {
  newest(fabric: string, publisher: string): Promise<GenerationHead | undefined>
  read(name: SnapshotName, bytes: number): Promise<Buffer | undefined>
}

/** Where whole snapshots go, and come from after a restart: the part of the port `Snapshots` that a source needs. */
export interface SnapshotSink extends SnapshotSource {
  put(name: SnapshotName, bytes: Buffer): Promise<void>
  announce(head: GenerationHead): Promise<readonly TargetHead[]>
}

/** An id for a generation or a snapshot of this time. Those of later times sort after it, as texts. */
export function generationId(atUs: number): string {
  return atUs.toString(36).padStart(11, '0')
}

export function nameOf({ fabric, publisher }: GenerationHead, { target, snapshot }: TargetHead): SnapshotName {
  return { fabric, publisher, target, snapshot }
}

/**
 * Checked by hand: with TypeBox an agent would have 22 MB more (`process.memoryUsage`, Node.js 24.22).
 *
 * @returns undefined for anything else than a head. Members that are not known are left as they are: later versions have
 *   more
 */
export function parseHead(json: string): GenerationHead | undefined {
  try {
    const head: unknown = JSON.parse(json)
    return isHead(head) ? head : undefined
  } catch {
    return undefined
  }
}

type Checks<T> = { readonly [Name in keyof T]-?: (value: unknown) => boolean }

const isName = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isFigure = (value: unknown): boolean => typeof value === 'number' && value >= 0
const isCount = (value: unknown): boolean => isFigure(value) && Number.isInteger(value)

const CYCLE: Checks<GenerationHead['cycle']> = { fetchMs: isFigure, parseMs: isFigure, publishMs: isFigure }
const TARGET_HEAD: Checks<TargetHead> = {
  ...{ target: isName, snapshot: isName, bytes: isCount, takenAtUs: isCount, rows: isCount, badRows: isCount },
  up: (value) => typeof value === 'boolean',
  error: (value) => value === undefined || typeof value === 'string',
}
const HEAD: Checks<GenerationHead> = {
  ...{ fabric: isName, publisher: isName, id: isName, atUs: isCount, checkedAtUs: isCount, intervalMs: isFigure },
  targets: (value) => Array.isArray(value) && value.every((target) => has(TARGET_HEAD, target)),
  cycle: (value) => has(CYCLE, value),
}

function isHead(value: unknown): value is GenerationHead {
  return has(HEAD, value)
}

function has<T>(checks: Checks<T>, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const members = value as Readonly<Record<string, unknown>>
  return Object.entries<(member: unknown) => boolean>(checks).every(([name, check]) => check(members[name]))
}
