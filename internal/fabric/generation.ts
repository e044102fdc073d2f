import { type Static, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'

/** The fabric whose targets have no name of their own. Its series have no tag `fabric`. */
export const DEFAULT_FABRIC = 'default'

const TargetHeadSchema = Type.Object({
  /** An address or file, without secrets, as operators know it. */
  target: Type.String({ minLength: 1 }),
  /** Names the newest good snapshot among those of its target. */
  snapshot: Type.String({ minLength: 1 }),
  /** Of the encoded snapshot. */
  bytes: Type.Integer({ minimum: 0 }),
  /** When that snapshot was taken, µs since the epoch. */
  takenAtUs: Type.Integer({ minimum: 0 }),
  rows: Type.Integer({ minimum: 0 }),
  badRows: Type.Integer({ minimum: 0 }),
  /** Whether the target answered when it was last asked. */
  up: Type.Boolean(),
  /** Why not, for people. */
  error: Type.Optional(Type.String()),
})

const GenerationHeadSchema = Type.Object({
  fabric: Type.String({ minLength: 1 }),
  /**
   * Who announces. A fabric may have several publishers, such as two agents with a part of its targets each; the newest
   * head of each counts.
   */
  publisher: Type.String({ minLength: 1 }),
  /** Grows with the rows, and stands still while there is nothing new. Sorts by time: see `generationId`. */
  id: Type.String({ minLength: 1 }),
  /** When this generation was put together, µs since the epoch. */
  atUs: Type.Integer({ minimum: 0 }),
  /** When the targets were last asked, µs since the epoch: a head that comes again with a later one says that there is nothing new. */
  checkedAtUs: Type.Integer({ minimum: 0 }),
  /** How often the targets are asked; 0 where rows are pushed, at no known rate. */
  intervalMs: Type.Number({ minimum: 0 }),
  targets: Type.Array(TargetHeadSchema),
  /** What the last cycle took. */
  cycle: Type.Object({
    fetchMs: Type.Number({ minimum: 0 }),
    parseMs: Type.Number({ minimum: 0 }),
    publishMs: Type.Number({ minimum: 0 }),
  }),
})

/** What a generation has of one target. */
export type TargetHead = Readonly<Static<typeof TargetHeadSchema>>

/** What is announced of a generation: the newest good snapshot of each target. The snapshots themselves are put before. */
export type GenerationHead = Readonly<Omit<Static<typeof GenerationHeadSchema>, 'targets'>> & {
  readonly targets: readonly TargetHead[]
}

/** Names one snapshot among all. */
export interface SnapshotName {
  readonly fabric: string
  readonly publisher: string
  readonly target: string
  readonly snapshot: string
}

/** Where whole snapshots go: the part of the port `Snapshots` of a broker that a source needs. */
export interface SnapshotSink {
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

/** @returns undefined for anything else than a head. Members that are not known are left as they are: later versions have more */
export function parseHead(json: string): GenerationHead | undefined {
  try {
    const head: unknown = JSON.parse(json)
    return Value.Check(GenerationHeadSchema, head) ? head : undefined
  } catch {
    return undefined
  }
}
