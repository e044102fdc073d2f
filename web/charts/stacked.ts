import type { LiveSample } from '../shared/api.ts'

/**
 * The filter of the history for series that stand on no other: the agent marks an interface or device whose bytes another
 * one of the machine counts too. Agents from before, and Telegraf, mark none.
 */
export const NOT_STACKED = 'stacked='

/** Whether another series of the same machine counts the bytes of this one too. Sums leave it out. */
export function isStacked(tags: LiveSample['tags']): boolean {
  return (tags.stacked ?? '') !== ''
}
