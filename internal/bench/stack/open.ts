import { openLocal } from './local.ts'
import type { Stack, StackOptions } from './stack.ts'

/**
 * Starts Redis, a store and the servers between them. Whoever opens a stack closes it; when this process ends without, however it ends,
 * all that was started ends a moment later.
 *
 * @param signal ends what was started so far, and this rejects with its reason
 * @throws Error that says in words what is missing, or what did not come up, and why
 */
export function openStack(options: StackOptions, signal: AbortSignal): Promise<Stack> {
  return openLocal(options, signal)
}
