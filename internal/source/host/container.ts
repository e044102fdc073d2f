import { readlinkSync } from 'node:fs'
import { sizeText } from '../../text/size.ts'
import { readText, readTextIfThere } from './kernel-files.ts'
import type { Roots, Surroundings } from './measurement.ts'
import { parseMeminfo } from './mem.ts'

/**
 * Reads a file that differs by namespace (`mountinfo`, `net/dev`). Under its own /proc a process reads it from `self`.
 * Under a host's /proc that is mounted elsewhere, `self` would again show the network and mounts of the container, so
 * process 1 of the host is read. When that is forbidden (hidepid, a security module), the container's own is read, and
 * `unavailable` says so.
 */
export function hostNamespaceFile(surroundings: Surroundings, measurement: string, file: string): string {
  const { roots, unavailable } = surroundings
  if (roots.proc === '/proc') return readText(`/proc/self/${file}`)
  const path = `${roots.proc}/1/${file}`
  const ofHost = readTextIfThere(path)
  if (ofHost !== undefined) {
    unavailable.delete(measurement)
    return ofHost
  }
  const ours = readText(`${roots.proc}/self/${file}`)
  unavailable.set(measurement, `the figures are this container's, not the host's: ${path} cannot be read`)
  return ours
}

/** The inode of the first PID namespace is fixed in the kernel (PROC_PID_INIT_INO, include/linux/proc_ns.h). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

/** Measurement → what a container hides, or shows of the whole machine. Empty on a host. */
export function containerNotes(roots: Roots): Map<string, string> {
  const notes = new Map<string, string>()
  if (roots.proc === '/proc' && isInPidNamespace()) {
    const hint = 'mount the host’s /proc into the container and name it as the proc root to see all'
    notes.set('processes', `only this container's own processes are counted; ${hint}`)
    notes.set('disk', `only what is mounted in this container is seen; ${hint}, and its / as the mount root`)
    notes.set('net', `the interfaces are this container's unless it shares the host's network; ${hint}`)
  }
  const limit = memoryLimit(roots)
  const total = parseMeminfo(readTextIfThere(`${roots.proc}/meminfo`) ?? '').get('MemTotal') ?? 0
  if (limit !== undefined && limit < total) {
    notes.set(
      'mem',
      `the figures are the whole machine's; this container may use ${sizeText(limit)} of ${sizeText(total)}`,
    )
  }
  const cores = cpuLimit(roots)
  if (cores !== undefined)
    notes.set('cpu', `the figures are the whole machine's; this container may use ${cores} cores`)
  return notes
}

function isInPidNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') !== FIRST_PID_NAMESPACE
  } catch {
    return false
  }
}

/** Bytes, by cgroup v2 or v1. A host has no such file (v2), or one with a number larger than any memory (v1). */
function memoryLimit({ sys }: Roots): number | undefined {
  const text =
    readTextIfThere(`${sys}/fs/cgroup/memory.max`) ?? readTextIfThere(`${sys}/fs/cgroup/memory/memory.limit_in_bytes`)
  const bytes = Number.parseInt(text ?? '', 10)
  return Number.isNaN(bytes) ? undefined : bytes
}

/** Cores, by cgroup v2 (`quota period`, or `max`) or v1 (two files, -1 for no limit). */
function cpuLimit({ sys }: Roots): number | undefined {
  const v1 = `${sys}/fs/cgroup/cpu`
  const text =
    readTextIfThere(`${sys}/fs/cgroup/cpu.max`) ??
    `${readTextIfThere(`${v1}/cpu.cfs_quota_us`)} ${readTextIfThere(`${v1}/cpu.cfs_period_us`)}`
  const [quota, period] = text.split(' ').map((part) => Number.parseInt(part, 10)) as [number, number]
  return quota > 0 && period > 0 ? Math.round((10 * quota) / period) / 10 : undefined
}
