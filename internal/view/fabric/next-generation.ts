import { type GenerationHead, nameOf, type SnapshotName, type TargetHead } from '../../fabric/generation.ts'
import type { Snapshot } from '../../fabric/snapshot.ts'
import { decodeSnapshot, SnapshotError } from '../../fabric/decode-snapshot.ts'
import { FabricGeneration } from './fabric-generation.ts'
import { RowIndex } from './row-index.ts'
import { Slices } from './slices.ts'
import { type LoadedTarget, rowsBefore, TargetRows } from './target-rows.ts'

/** Why a generation is not shown. */
export class UnshownGeneration extends Error {
  /** `missing`: the broker does not have all of it. `undecodable`: its bytes are no snapshot. */
  readonly reason: 'missing' | 'undecodable'

  constructor(reason: UnshownGeneration['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UnshownGeneration'
    this.reason = reason
  }
}

/** Reads the bytes of a snapshot: see the port `Snapshots`. */
export type ReadSnapshot = (name: SnapshotName, bytes: number) => Promise<Buffer | undefined>

/**
 * Makes the next generation aside, of the newest heads of all publishers and of what the generation before has of them
 * already. The one that is shown meanwhile is not touched.
 *
 * @param shown undefined before the first one
 * @throws UnshownGeneration
 * @throws BrokerError
 */
export async function nextGeneration(
  heads: readonly GenerationHead[],
  shown: FabricGeneration | undefined,
  read: ReadSnapshot,
): Promise<FabricGeneration> {
  const slices = new Slices()
  const loaded: LoadedTarget[] = []
  for (const head of heads) {
    for (const target of head.targets) {
      const known = targetIn(shown, head.publisher, target.target)
      const snapshot = known?.head.snapshot === target.snapshot ? known.snapshot : await load(head, target, read)
      loaded.push({ publisher: head.publisher, head: target, snapshot })
    }
  }
  const ids = loaded.map(({ snapshot }) => snapshot.parts.ids)
  // What decoding takes is a slice of its own.
  await slices.pause()
  const index = shown?.index.isOf(ids) === true ? shown.index : await RowIndex.of(ids, slices)
  const targets: TargetRows[] = []
  let firstRow = 0
  for (const one of loaded) {
    const known = targetIn(shown, one.publisher, one.head.target)
    if (known?.head.snapshot === one.head.snapshot) targets.push(known.movedTo(firstRow, one.head))
    else {
      const before = known && (await rowsBefore(one.snapshot, known, shown!.index, slices))
      targets.push(new TargetRows(one, firstRow, before))
    }
    firstRow += one.snapshot.rows
  }
  return new FabricGeneration(heads, targets, index)
}

function targetIn(shown: FabricGeneration | undefined, publisher: string, target: string): TargetRows | undefined {
  return shown?.targets.find((one) => one.publisher === publisher && one.head.target === target)
}

async function load(head: GenerationHead, target: TargetHead, read: ReadSnapshot): Promise<Snapshot> {
  const what = `the snapshot ${target.snapshot} of ${target.target}`
  const bytes = await read(nameOf(head, target), target.bytes)
  if (bytes === undefined) throw new UnshownGeneration('missing', `${what} is not there, or not all of it`)
  try {
    const snapshot = decodeSnapshot(bytes)
    if (snapshot.rows === target.rows) return snapshot
    throw new SnapshotError(`${snapshot.rows} rows, and not ${target.rows}`)
  } catch (cause) {
    throw new UnshownGeneration('undecodable', `${what} cannot be read`, { cause })
  }
}
