/** The exit codes of every program. 2 is a wrong command line, 78 (EX_CONFIG of sysexits.h) invalid settings. */
export const EXIT = { ok: 0, failed: 1, usage: 2, config: 78 } as const

/** Invalid settings. The message has one line per problem, and never a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}
