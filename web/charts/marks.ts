import { timeText } from '../shared/times.ts'

/** Something that happened, drawn as a thin line through every chart. */
export interface Mark {
  readonly atMs: number
  /** What happened, in words. */
  readonly text: string
  /** The custom property with its colour, without `--`. */
  readonly colour: string
}

/** A pointer that is so near to a mark names it, CSS pixels. */
export const NEAR_PX = 5

/** What marks say at a point, the oldest first; '' where there is none. */
export function namesOf(marks: readonly Mark[]): string {
  return marks.map(({ atMs, text }) => `${timeText(atMs)} ${text}`).join(' · ')
}

/** The marks within a distance of a moment. */
export function marksNear(marks: readonly Mark[], atMs: number, withinMs: number): readonly Mark[] {
  return marks.filter((mark) => Math.abs(mark.atMs - atMs) <= withinMs)
}
