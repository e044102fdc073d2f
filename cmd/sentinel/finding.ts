/** The result of one check of `sentinel doctor`. */
export interface Finding {
  /** What was checked: `host`, `broker`, `store`, or a part of a running process such as `server spool`. */
  readonly part: string
  readonly ok: boolean
  /** All works, but somebody should look. */
  readonly warns?: boolean
  /** What the check found, in words. */
  readonly text: string
}

export type Verdict = Omit<Finding, 'part'>
