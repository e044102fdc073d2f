import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { replaceProcess } from '../../internal/lifecycle/replace.ts'
import { SMALL_HEAP_FLAGS } from './small-heap.ts'

/** The agent as one file, by `scripts/build-agent.mjs`, beside the folder `cmd` of the build. */
const BUNDLE = fileURLToPath(new URL('../../agent.cjs', import.meta.url))
/**
 * Memory that a start frees goes back to the system, above this many bytes at the end of the heap of malloc. glibc
 * raises its own limit, to 1 MB and more, with each large block that is freed.
 */
const TRIM_BYTES = 128 * 1024
/**
 * Memory that one thread freed another can take. With an arena for each of Node.js' eight threads, an agent of 100,000
 * ports had 226 to 255 MB in place of 203 to 211 (VmRSS, Node.js 24.22).
 */
const ARENAS = 1

/**
 * Starts this process again as the agent in one file, with the same arguments: it has 10 MB less than from its modules
 * (docs/decisions/0014). Call it before anything else is loaded. Returns where Node.js cannot replace a process
 * (before 22.15, and on Windows), or there is no such file: the caller then loads the modules.
 */
export function becomeSmallAgent(): void {
  if (!existsSync(BUNDLE)) return
  replaceProcess([...process.execArgv, ...SMALL_HEAP_FLAGS, BUNDLE, ...process.argv.slice(2)], {
    MALLOC_TRIM_THRESHOLD_: `${TRIM_BYTES}`,
    MALLOC_ARENA_MAX: `${ARENAS}`,
    ...process.env,
  })
}
