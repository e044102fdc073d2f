import { nameOf, type SnapshotSource, type TargetHead } from '../../fabric/generation.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import { decodeSnapshot, SnapshotError } from '../../fabric/decode-snapshot.ts'

export interface EarlierSnapshot {
  readonly head: TargetHead
  readonly snapshot: Snapshot
}

/**
 * What a publisher announced last of a fabric, target by target: also what an earlier process of it did. Without what
 * the broker has no more, and what another version wrote.
 *
 * @throws BrokerError
 */
export async function* earlierSnapshots(
  snapshots: SnapshotSource,
  fabric: string,
  publisher: string,
): AsyncGenerator<EarlierSnapshot> {
  const generation = await snapshots.newest(fabric, publisher)
  for (const head of generation?.targets ?? []) {
    const bytes = await snapshots.read(nameOf(generation!, head), head.bytes)
    const snapshot = bytes && decoded(bytes)
    if (snapshot !== undefined) yield { head, snapshot }
  }
}

function decoded(bytes: Buffer): Snapshot | undefined {
  try {
    return decodeSnapshot(bytes)
  } catch (error) {
    if (error instanceof SnapshotError) return undefined
    throw error
  }
}
