import { type as systemName, version } from 'node:os'
import { readTextIfThere } from './kernel-files.ts'

/**
 * The operating system of the host, for people: `Debian GNU/Linux 12 (bookworm)`, `Darwin Kernel Version 24.1.0 …`.
 *
 * @param mountRoot where the host's `/` is mounted, for the name of its distribution
 */
export function osName(mountRoot = '/'): string {
  const root = mountRoot === '/' ? '' : mountRoot
  const osRelease = readTextIfThere(`${root}/etc/os-release`) ?? readTextIfThere(`${root}/usr/lib/os-release`)
  return prettyName(osRelease ?? '') ?? (systemName() === 'Linux' ? 'Linux' : version())
}

/** PRETTY_NAME of os-release(5): a shell assignment, with or without quotes. */
export function prettyName(osRelease: string): string | undefined {
  return /^PRETTY_NAME=(["']?)(.+)\1$/m.exec(osRelease)?.[2]?.replace(/\\(.)/g, '$1')
}
