import { openCompose, whyNotCompose } from './compose.ts'
import { findCompose } from './docker.ts'
import { openLocal } from './local.ts'
import type { Stack, StackOptions } from './stack.ts'

/**
 * Starts Redis, a store and the servers between them. The caller must close the stack. If this process ends without
 * that, even by `kill -9`, everything that was started ends a moment later.
 *
 * @param signal ends everything started so far; the call then rejects with its reason
 * @throws Error that says what is missing or did not start, and why
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
