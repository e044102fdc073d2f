import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { packageFolder } from '../../internal/observe/package-folder.ts'

/** Debian installs servers here, which is not in an ordinary user's PATH. */
const FOLDERS_OF_SERVERS = ['/usr/local/sbin', '/usr/sbin']

const DEBIAN_PACKAGES = {
  'redis-server': 'redis-server',
  influxd: 'influxdb',
  'victoria-metrics': 'victoria-metrics',
} as const
export type ServerProgram = keyof typeof DEBIAN_PACKAGES

/**
 * The paths of the programs, in the same order.
 *
 * @throws Error that names all missing programs and how to install them
 */
export function findPrograms(names: readonly ServerProgram[], path: string): string[] {
  const paths = names.map((name) => lookUpProgram(name, path))
  const missing = names.filter((_, at) => paths[at] === undefined)
  if (missing.length > 0) {
    const packages = missing.map((name) => DEBIAN_PACKAGES[name])
    const instead = missing.includes('victoria-metrics') ? '' : ' (or start Docker)'
    throw new Error(`${missing.join(' and ')} not found: apt-get install ${packages.join(' ')}${instead}`)
  }
  return paths.filter((found) => found !== undefined)
}

/** The path of a program; undefined where it is missing. */
export function lookUpProgram(name: string, path: string): string | undefined {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...FOLDERS_OF_SERVERS]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** @throws Error that says how to build it */
export function builtProgram(name: string): string {
  const path = join(packageFolder(), 'dist/cmd', name, 'main.js')
  if (!existsSync(path)) throw new Error(`${path} is missing: npm run build`)
  return path
}
