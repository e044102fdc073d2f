import { DEFAULT_FABRIC } from '../../internal/fabric/generation.ts'
import { type Table, TableError, TableReader } from '../../internal/fabric/table-reader.ts'
import type { LoadedSettings } from '../../internal/config/load.ts'
import type { Target } from '../../internal/source/target.ts'
import { TargetError, type TargetProblem } from '../../internal/source/target-error.ts'
import { countOf, countText } from '../../internal/text/count.ts'
import { namedFabrics } from '../agent/named-fabrics.ts'
import type { Finding, Verdict } from './finding.ts'

/** So many metrics are named. */
const NAMED_METRICS = 5

const NEXT_STEPS: Readonly<Partial<Record<TargetProblem, string>>> = {
  unreachable: 'is it running, and is its address or path right?',
  timeout: 'raise fabric.timeoutMs if it needs so long',
  status: 'is the path of its address right?',
  cut_off: 'a source that writes a file puts it together elsewhere, and then renames it',
  not_a_table: 'is this the address of its CSV?',
}

/** Asks each target of the settings once, as an agent does, and reads its table. Sends nothing. */
export async function checkTargets({ settings }: LoadedSettings): Promise<readonly Finding[]> {
  const asked = [...namedFabrics(settings.fabric)].flatMap(([fabric, targets]) =>
    targets.map(async (target) => {
      const verdict = await checkTarget(target)
      const part = fabric === DEFAULT_FABRIC ? 'fabric' : `fabric ${fabric}`
      return { part, ...verdict, text: `${target.name}: ${verdict.text}` }
    }),
  )
  return Promise.all(asked)
}

async function checkTarget(target: Target): Promise<Verdict> {
  const reader = new TableReader({})
  try {
    const body = await target.ask(new AbortController().signal)
    if (body === undefined)
      return { ok: true, warns: true, text: 'it answers that it has nothing new, though it was not asked before' }
    return verdictOf(await reader.read(body, Date.now() * 1000), reader)
  } catch (error) {
    if (!(error instanceof TargetError || error instanceof TableError)) throw error
    const next = NEXT_STEPS[error.problem]
    return { ok: false, text: next === undefined ? error.message : `${error.message}: ${next}` }
  } finally {
    target.close()
  }
}

function verdictOf({ snapshot, columns, badRows, badCells }: Table, reader: TableReader): Verdict {
  const names = snapshot.parts.columns.map(({ name }) => name)
  const more = names.length > NAMED_METRICS ? ' …' : ''
  const rows = countOf(snapshot.rows, columns.subject === 'switch' ? 'switch' : 'port')
  const found = `${rows} with ${countOf(names.length, 'metric')}: ${names.slice(0, NAMED_METRICS).join(', ')}${more}`
  const leftOut = [
    ...(badRows > 0 ? [`${countOf(badRows, 'row')} (${reasonsOf(reader.badRowsBy)})`] : []),
    ...(badCells > 0 ? [`${countOf(badCells, 'cell')} (${reasonsOf(reader.badCellsBy)})`] : []),
    ...(columns.ignored.length > 0 ? [`columns that no store can keep: ${columns.ignored.join(', ')}`] : []),
  ]
  if (leftOut.length === 0) return { ok: true, text: found }
  return { ok: true, warns: true, text: `${found}; left out: ${leftOut.join('; ')}` }
}

/** `3 cells, 1 twice`: in words that the metrics have too. */
function reasonsOf(counts: ReadonlyMap<string, number>): string {
  return [...counts].flatMap(([reason, count]) => (count > 0 ? [`${countText(count)} ${reason}`] : [])).join(', ')
}
