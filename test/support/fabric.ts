import type { Snapshots } from '../../internal/broker/broker.ts'
import { type GenerationHead, generationId, nameOf, type TargetHead } from '../../internal/fabric/generation.ts'
import type { CellValue, Column, Snapshot, Subject } from '../../internal/fabric/snapshot.ts'
import { SnapshotBuilder } from '../../internal/fabric/snapshot-builder.ts'
import { encodeSnapshot } from '../../internal/fabric/encode-snapshot.ts'

export interface FabricRow {
  readonly id: string
  readonly atUs: number
  /** Of a port. */
  readonly switchName?: string
  /** By column; undefined for no value. */
  readonly cells: ReadonlyArray<CellValue | undefined>
}

export function snapshotOf(subject: Subject, columns: readonly Column[], rows: Iterable<FabricRow>): Snapshot {
  const builder = new SnapshotBuilder(subject, columns)
  for (const { id, atUs, switchName, cells } of rows) {
    const name = Buffer.from(id)
    builder.row(name, 0, name.length, atUs, switchName)
    for (const [column, cell] of cells.entries()) {
      if (cell === undefined) continue
      if (columns[column]!.kind === 'int') builder.int(column, cell as number | bigint)
      else if (columns[column]!.kind === 'float') builder.float(column, cell as number)
      else builder.text(column, cell as string)
    }
  }
  return builder.build()
}

export const SWITCH_COLUMNS: readonly Column[] = [
  { name: 'bandwidth_mbps', kind: 'float' },
  { name: 'latency_ms', kind: 'float' },
  { name: 'packet_errors', kind: 'int' },
]

/** Switches `sw1`, `sw2` …: their values tell the row and the generation that they are of. */
export function switchesOf(count: number, atUs: number, generation: number): Snapshot {
  return snapshotOf(
    'switch',
    SWITCH_COLUMNS,
    Array.from({ length: count }, (_, i) => ({
      id: `sw${i + 1}`,
      atUs,
      cells: [generation + i / 1024, generation / 2, generation * 10 + i],
    })),
  )
}

/** Puts and announces generations, as a source does. */
export class FabricWriter {
  readonly #snapshots: Snapshots
  readonly #about: Pick<GenerationHead, 'fabric' | 'publisher' | 'intervalMs'>
  #heads: readonly TargetHead[] = []

  constructor(snapshots: Snapshots, about: Partial<Pick<GenerationHead, 'fabric' | 'publisher' | 'intervalMs'>> = {}) {
    this.#snapshots = snapshots
    this.#about = { fabric: 'default', publisher: 'agent/a', intervalMs: 10_000, ...about }
  }

  /** Targets that are not given keep their newest snapshot. */
  async write(atUs: number, targets: Readonly<Record<string, Snapshot>>): Promise<GenerationHead> {
    const fresh = Object.entries(targets).map(([target, snapshot]) => {
      const bytes = encodeSnapshot(snapshot)
      const counts = { bytes: bytes.length, rows: snapshot.rows, badRows: 0 }
      const head: TargetHead = { target, snapshot: generationId(atUs), takenAtUs: atUs, up: true, ...counts }
      return { head, bytes }
    })
    const kept = this.#heads.filter(({ target }) => targets[target] === undefined)
    this.#heads = [...kept, ...fresh.map(({ head }) => head)]
    const head = this.headOf(atUs)
    for (const { head: target, bytes } of fresh) await this.#snapshots.put(nameOf(head, target), bytes)
    await this.announce(head)
    return head
  }

  /** Announces that it has no targets any more. */
  async leave(atUs: number): Promise<void> {
    this.#heads = []
    await this.announce(this.headOf(atUs))
  }

  headOf(atUs: number, more: Partial<GenerationHead> = {}): GenerationHead {
    const times = { atUs, checkedAtUs: atUs, cycle: { fetchMs: 1, parseMs: 2, publishMs: 3 } }
    return { ...this.#about, id: generationId(atUs), targets: this.#heads, ...times, ...more }
  }

  async announce(head: GenerationHead): Promise<void> {
    const missing = await this.#snapshots.announce(head)
    if (missing.length > 0) throw new Error(`missing: ${missing.map(({ target }) => target).join(' ')}`)
  }
}
