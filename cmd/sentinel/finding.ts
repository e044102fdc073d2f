/** What a check found, in words, and whether it is well. */
export interface Finding {
  /** `host`, `broker`, `store`, or what is asked of a process that runs: `server spool`. */
  readonly part: string
  readonly well: boolean
  readonly words: string
}
