import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Flags of V8 for a role that works some milliseconds a second. */
export const SMALL_HEAP_FLAGS = [
  // What runs once a second needs no compiled code: the compilers' own pages are 8 MB of RSS, and their code 4 MB.
  '--no-opt',
  '--no-maglev',
  '--no-sparkplug',
  // The young generation stays as small as it starts. It would double with each collection of a start, and of a cycle of a
  // large fabric, to 32 MB and more. The first flag counts on a command line alone, where V8 makes a 2 of the second one's 1.
  '--max-semi-space-size=1',
  '--semi-space-growth-factor=1',
]
const COMPILER_FLAGS = ['--opt', '--maglev', '--sparkplug']
/** By then a process that started has connected, and what it needed only for that is garbage. */
const SETTLED_MS = 5_000

/**
 * Keeps the heap of this process small, where it was not started with these flags. Call it before the modules of the
 * role are loaded: most of the memory is left by their start.
 */
export function keepHeapSmall(): void {
  for (const flag of SMALL_HEAP_FLAGS) setFlagsFromString(flag)
}

/**
 * Takes back what `keepHeapSmall`, or the command line of a small agent, keeps from a process: the rows of a fabric are
 * parsed twenty times faster by compiled code. The young generation stays small, so that it is collected often: with
 * it go the pieces of an answer, which lie outside of the heap.
 */
export function useCompilers(): void {
  for (const flag of COMPILER_FLAGS) setFlagsFromString(flag)
}

/** Collects garbage now: that of the young generation in a millisecond, all of it in 30 ms a full heap. */
export type Collect = (type: 'minor' | 'major', flavor?: 'regular' | 'last-resort') => void

export function garbageCollector(): Collect {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: object) => void
  setFlagsFromString('--no-expose-gc')
  return (type, flavor = 'regular') => collect({ type, flavor })
}

/**
 * Collects all garbage of the start once, some seconds after it: 4 MB that V8, which sees a small heap and little
 * allocation, would keep for hours. Costs 30 ms of CPU.
 */
export function collectOnceSettled(): void {
  setTimeout(() => garbageCollector()('major', 'last-resort'), SETTLED_MS).unref()
}
