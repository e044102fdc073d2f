import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The commit from which the programs were built. */
export interface Commit {
  readonly hash: string
  /** Whether a tracked file other than stored results differs from the commit. */
  readonly changed: boolean
}

const FIGURES = [':!docs/benchmarks', ':!docs/benchmarks.md']

/**
 * Must be called before the benchmark writes anything: a report in the repository would count as a change.
 *
 * @param folder of the package
 * @returns undefined if it is unknown: there is no git, or no checkout (an image, a tarball), or the folder is inside
 *   the checkout of another project, whose commit would be wrong
 */
export async function commitOf(folder: string): Promise<Commit | undefined> {
  const git = async (...args: string[]): Promise<string> => (await run('git', args, { cwd: folder })).stdout
  try {
    const [prefix, hash] = (await git('rev-parse', '--show-prefix', 'HEAD')).split('\n')
    if (prefix !== '') return undefined
    // Untracked files do not matter: the programs use one only if a tracked file names it, which is a change itself.
    // Stored results do not matter either.
    const changes = await git('status', '--porcelain', '--untracked-files=no', '--', '.', ...FIGURES)
    return { hash: hash!, changed: changes !== '' }
  } catch {
    return undefined
  }
}
