import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Says why this process cannot mount a small disk, or nothing where it can. A container has no such right by default, also for its root.
 */
export function whyNoSmallDisk(): string | undefined {
  const path = mkdtempSync(join(tmpdir(), 'sentinel-small-disk-'))
  try {
    mountSmallDisk(path, 64 * 1024)
    unmount(path)
    return undefined
  } catch (error) {
    const { stderr } = error as { stderr?: Buffer }
    return stderr?.toString().trim().split('\n')[0] || String(error)
  } finally {
    rmSync(path, { recursive: true })
  }
}

/**
 * Puts an empty disk of this size over a folder.
 *
 * @throws where `whyNoSmallDisk` has a reason
 */
export function mountSmallDisk(path: string, bytes: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: ['ignore', 'ignore', 'pipe'] })
}

export function unmount(path: string): void {
  execFileSync('umount', ['-l', path])
}
