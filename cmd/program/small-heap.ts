import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const FLAGS = [
  // What runs once a second needs no optimized code: the compilers' own pages are 8 MB of RSS, and their code 3 MB.
  '--no-opt',
  '--no-maglev',
  // The young generation stays as small as it starts. It would double with each collection of a start, to 16 MB.
  '--semi-space-growth-factor=1',
]
/** By then a process that started has connected, and what it needed only for that is garbage. */
const SETTLED_MS = 5_000

/**
 * Keeps the heap of this process small, for a role that works some milliseconds a second. Call it before the modules of
 * the role are loaded: most of the memory is left by their start.
 *
 * Flags of the command line would need a second start of Node.js, or each user to set them.
 */
export function keepHeapSmall(): void {
  for (const flag of FLAGS) setFlagsFromString(flag)
}

/**
 * Collects all garbage of the start once, some seconds after it: 4 MB that V8, which sees a small heap and little
 * allocation, would keep for hours. Costs 30 ms of CPU.
 */
export function collectOnceSettled(): void {
  setTimeout(() => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as (options: object) => void
    setFlagsFromString('--no-expose-gc')
    collect({ type: 'major', flavor: 'last-resort' })
  }, SETTLED_MS).unref()
}
