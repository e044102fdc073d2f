import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'

const require = createRequire(import.meta.url)

/** Reads and writes YAML. A process without a settings file never loads it: 72 modules, 3 MB. */
export function yaml(): typeof Yaml {
  return require('yaml') as typeof Yaml
}
