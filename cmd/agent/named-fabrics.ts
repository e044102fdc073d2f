import { isUrl, namedTarget } from '../../internal/config/targets.ts'
import { DEFAULT_FABRIC } from '../../internal/fabric/generation.ts'
import { Address } from '../../internal/source/address.ts'
import { FilePlace } from '../../internal/source/file-place.ts'
import { Target } from '../../internal/source/target.ts'
import { distinctNames } from './distinct-names.ts'

export interface FabricSettings {
  readonly targets: readonly string[]
  readonly named: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly maxBodyBytes: number
  readonly gzip: boolean
}

/**
 * The targets of each fabric that the settings name, in their order.
 *
 * @param onBytes told of the bytes of their answers as they come
 */
export function namedFabrics(
  settings: FabricSettings,
  onBytes?: (bytes: number) => void,
): ReadonlyMap<string, readonly Target[]> {
  const { targets, named, intervalMs, timeoutMs, maxBodyBytes, gzip } = settings
  const written = new Map<string, Set<string>>()
  const add = (fabric: string, target: string): void => {
    written.set(fabric, (written.get(fabric) ?? new Set()).add(target))
  }
  for (const target of targets) add(DEFAULT_FABRIC, target)
  for (const [fabric, target] of named.map(namedTarget)) add(fabric, target)
  const limits = { intervalMs, timeoutMs, maxBodyBytes, onBytes }
  const open = (target: string, name: string): Target =>
    new Target({ name, place: isUrl(target) ? new Address({ url: target, gzip }) : new FilePlace(target), ...limits })
  return new Map(
    [...written].map(([fabric, list]) => {
      const names = distinctNames([...list])
      return [fabric, [...list].map((target, i) => open(target, names[i]!))]
    }),
  )
}
