import { openCompose, whyNotCompose } from './compose.ts'
import { findCompose } from './docker.ts'
import { openLocal } from './local.ts'
import type { Stack, StackOptions } from './stack.ts'

/**
 * Starts Redis, a store and the servers between them. Whoever opens a stack closes it; when this process ends without, however it ends,
 * all that was started ends a moment later.
 *
 * @param signal ends what was started so far, and this rejects with its reason
 * @throws Error that says in words what is missing, or what did not come up, and why
 */
export async function openStack(options: StackOptions, signal: AbortSignal): Promise<Stack> {
  const { kind, env, onProgress = () => {} } = options
  if (kind === 'local') return openLocal(options, signal)
  const unsuitable = whyNotCompose(options)
  const compose = unsuitable === '' ? await findCompose(env) : unsuitable
  if (typeof compose !== 'string') return openCompose(options, compose, signal)
  if (kind === 'compose') throw new Error(`no containers: ${compose}; STACK=local does without`)
  onProgress(`processes of this machine: ${compose}`)
  return openLocal(options, signal)
}
