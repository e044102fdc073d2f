import type { Context } from '../program/context.ts'
import { openGenerator } from './generator.ts'

/** What the role `generator` runs: values that walk → snapshot → HTTP, and an intake. */
export async function open(context: Context): Promise<void> {
  await openGenerator(context)
}
