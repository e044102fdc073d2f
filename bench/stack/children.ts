import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Releaser, type Undo } from '../../internal/lifecycle/releaser.ts'
import { Child, type ChildOptions } from './child.ts'
import { type Keeper, startKeeper } from './keeper.ts'

/** The name is also that of its folder and of its log. */
export interface Launch extends Pick<ChildOptions, 'name' | 'command' | 'graceMs' | 'askToEnd'> {
  /** Its environment, beside PATH and HOME. */
  readonly variables?: Readonly<Record<string, string>>
}

export interface ChildrenOptions {
  readonly env: Readonly<NodeJS.ProcessEnv>
  readonly logFolder: string
  readonly logger: Logger
}

const STOP_LIMIT_MS = 90_000

/** Programs that were started here: each with a folder of its own in a temporary one, ended in the reverse order of their start. */
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

  /** Where a program of this name has its files. */
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

  /** Runs a program to its end. @throws Error with its last lines unless it ends well */
  async run(launch: Launch, signal: AbortSignal): Promise<void> {
    const child = await this.#spawn(launch)
    await child.untilDone(signal)
  }

  /** A command that is run when all have ended, also when this process is killed. */
  atEnd(command: readonly string[]): void {
    this.#keeper.atEnd(command)
  }

  /** Something else to undo at `close`, before what was started until now. */
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
      // Nothing of what the user has set for programs of these names.
      env: { PATH: env.PATH ?? '', HOME: env.HOME ?? '', ...variables },
      folder,
      logFile: join(logFolder, `${launch.name}.log`),
      keeper: this.#keeper,
    })
    this.#releaser.push(launch.name, () => child.stop())
    return child
  }
}
