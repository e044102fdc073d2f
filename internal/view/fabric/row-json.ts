import type { FabricGeneration } from './fabric-generation.ts'
import { valueJson } from './json.ts'

/** What a list says of a row. */
export interface RowAsked {
  /** Without one, no value. */
  readonly metric?: string | undefined
  /** Whether nothing new comes from its target. */
  readonly stale?: boolean
}

/** A row of a list as JSON: who it is, and of one metric its value and how it changed. */
export function rowJson(generation: FabricGeneration, row: number, { metric, stale = false }: RowAsked): string {
  const target = generation.targetOf(row)
  const { snapshot } = target
  const own = row - target.firstRow
  const switchName = snapshot.switchOf(own)
  let json = `{"switch_id":${JSON.stringify(snapshot.id(own))}`
  if (switchName !== undefined) json += `,"switch":${JSON.stringify(switchName)}`
  json += `,"at":${snapshot.parts.atUs[own]!}`
  if (stale) json += ',"stale":true'
  const column = metric === undefined ? -1 : snapshot.columnOf(metric)
  if (column >= 0) {
    const { delta, rate, saturated, reset } = target.change(own, column)
    json += `,"value":${valueJson(snapshot.value(own, column)) ?? null},"delta":${delta ?? null},"rate":${rate ?? null}`
    if (saturated) json += ',"saturated":true'
    if (reset) json += ',"reset":true'
  }
  return `${json}}`
}
