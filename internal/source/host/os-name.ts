import { arch, cpus, release, type as systemName, totalmem, version } from 'node:os'
import { readTextIfThere } from './measurement.ts'

/** What does not change while the process runs. */
export interface HostFacts {
  /** For people: `Debian GNU/Linux 12 (bookworm)`, `Darwin Kernel Version 24.1.0 …`. */
  readonly os: string
  readonly kernel: string
  readonly arch: string
  /** Hardware threads. */
  readonly cores: number
  readonly memoryBytes: number
}

/** @param mountRoot where the host's `/` is mounted, for the name of its distribution */
export function hostFacts(mountRoot = '/'): HostFacts {
  const root = mountRoot === '/' ? '' : mountRoot
  const osRelease = readTextIfThere(`${root}/etc/os-release`) ?? readTextIfThere(`${root}/usr/lib/os-release`)
  return {
    os: prettyName(osRelease ?? '') ?? (systemName() === 'Linux' ? 'Linux' : version()),
    kernel: release(),
    arch: arch(),
    cores: cpus().length,
    memoryBytes: totalmem(),
  }
}

/** PRETTY_NAME of os-release(5): a shell assignment, with or without quotes. */
export function prettyName(osRelease: string): string | undefined {
  return /^PRETTY_NAME=(["']?)(.+)\1$/m.exec(osRelease)?.[2]?.replace(/\\(.)/g, '$1')
}
