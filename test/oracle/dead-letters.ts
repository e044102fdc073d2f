import type { Scene } from './scene.ts'

export interface LetterOfId {
  readonly id: number
  readonly reason: string
  /** Its payload is the sample as it was made. */
  readonly isIntact: boolean
}

/** Dead letters of the oracle's samples, by id. */
export async function deadLettersOf(_scene: Scene): Promise<Map<number, LetterOfId>> {
  return new Map()
}
