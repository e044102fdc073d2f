import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageFolder } from '../../internal/observe/package-folder.ts'

/** The version of the package that this program was built from. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageFolder(), 'package.json'), 'utf8')) as { version: string }
  return version
}
