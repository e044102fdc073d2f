import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Releaser, type Undo } from '../../internal/lifecycle/releaser.ts'
import { Child, type ChildOptions } from './child.ts'
import { type Keeper, startKeeper } from './keeper.ts'

/** Its folder and its log have the same name. */
export interface Launch extends Pick<ChildOptions, 'name' | 'command' | 'graceMs' | 'askToEnd'> {
  /** Its environment besides PATH and HOME. */
  readonly variables?: Readonly<Record<string, string>>
}

export interface ChildrenOptions {
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly logFolder: string
  readonly logger: Logger
}

const STOP_LIMIT_MS = 90_000

/**
 * The programs started here. Each has its own folder in a temporary one. `close` ends them in the reverse order of
 * their start.
 */
export class Children {
  readonly #options: ChildrenOptions
  readonly #folder: string
  readonly #keeper: Keeper
  readonly #releaser: Releaser
  readonly #broken = new AbortController()

  private constructor(folder: string, options: ChildrenOptions) {
    this.#options = options
    this.#folder = folder
    this.#keeper = startKeeper(folder)
    this.#releaser = new Releaser(options.logger)
    this.#releaser.push('temporary folder', () => this.#keeper.release())
  }

  static async open(options: ChildrenOptions): Promise<Children> {
    return new Children(await mkdtemp(join(tmpdir(), 'sentinel-bench-')), options)
  }

  /** Aborts, with an Error that says why, when a program ends before `close`. */
  get broken(): AbortSignal {
    return this.#broken.signal
  }

  /** The folder of the program with this name. */
  folderOf(name: string): string {
    return join(this.#folder, name)
  }

  /** Starts a program that goes on until `close`. */
  async start(launch: Launch): Promise<Child> {
    const child = await this.#spawn(launch)
    void child.ended.then((error) => {
      if (error !== undefined) this.#broken.abort(error)
    })
    return child
  }

  /** Runs a program to its end. @throws Error with its last log lines unless it ends with exit code 0 */
  async run(launch: Launch, signal: AbortSignal): Promise<void> {
    const child = await this.#spawn(launch)
    await child.untilDone(signal)
  }

  /** Sets a command that runs when all have ended, also if this process is killed. */
  atEnd(command: readonly string[]): void {
    this.#keeper.atEnd(command)
  }

  /** Adds another undo for `close`. It runs before the programs started so far are ended. */
  onClose(name: string, undo: Undo): void {
    this.#releaser.push(name, undo)
  }

  close(): Promise<void> {
    return this.#releaser.release(STOP_LIMIT_MS)
  }

  async #spawn({ variables = {}, ...launch }: Launch): Promise<Child> {
    const { env, logFolder } = this.#options
    const folder = this.folderOf(launch.name)
    await mkdir(folder)
    const child = new Child({
      ...launch,
      // Without the user's settings for these programs.
      env: { PATH: env.PATH ?? '', HOME: env.HOME ?? '', ...variables },
      folder,
      logFile: join(logFolder, `${launch.name}.log`),
      keeper: this.#keeper,
    })
    this.#releaser.push(launch.name, () => child.stop())
    return child
  }
}
