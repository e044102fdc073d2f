import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What the programs were built from. */
export interface Commit {
  readonly hash: string
  /** A file that git knows, and that is no figure of a measurement, was not as in the commit. */
  readonly changed: boolean
}

const FIGURES = [':!docs/benchmarks', ':!docs/benchmarks.md']

/**
 * To be called before the benchmark writes anything: a report that is kept in the repository is a change too.
 *
 * @param folder of the package
 * @returns undefined where that cannot be known: no git, no checkout (an image, a tarball), or a folder inside the checkout of something
 * else, of which the commit would be a wrong one
 */
export async function commitOf(folder: string): Promise<Commit | undefined> {
  const git = async (...args: string[]): Promise<string> => (await run('git', args, { cwd: folder })).stdout
  try {
    const [prefix, hash] = (await git('rev-parse', '--show-prefix', 'HEAD')).split('\n')
    if (prefix !== '') return undefined
    // What git does not know takes part in nothing, unless a file that it knows was changed to name it. Nor do figures that were kept.
    const changes = await git('status', '--porcelain', '--untracked-files=no', '--', '.', ...FIGURES)
    return { hash: hash!, changed: changes !== '' }
  } catch {
    return undefined
  }
}
