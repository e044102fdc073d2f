import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder with this package's package.json. Works from the sources, the build and a bundle. */
export function packageFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return folder
}
