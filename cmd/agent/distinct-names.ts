import { showTarget } from '../../internal/config/targets.ts'

/**
 * What people call the targets, without secrets. The shards of one address differ in parameters alone, which may be
 * secrets: they get numbers.
 */
export function distinctNames(targets: readonly string[]): string[] {
  const shown = targets.map((target) => showTarget(target).replace(/\?\*{3}$/, ''))
  const isAlone = (name: string): boolean => shown.filter((other) => other === name).length === 1
  return shown.map((name, i) => (isAlone(name) ? name : `${name}#${shown.slice(0, i + 1).filter((one) => one === name).length}`)) // biome-ignore format: one line
}
