import { stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isRemote, type Mount } from './mounts.ts'

/** What statfs(2) says of a file system. */
export interface FileSystemSize {
  readonly bsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
}

/** The calls of the system. Each takes a thread of Node's pool until it returns. */
export interface FileSystemCalls {
  size(path: string): Promise<FileSystemSize>
  /** `st_dev` of stat(2). */
  device(path: string): Promise<number>
}

const NODE_CALLS: FileSystemCalls = { size: statfs, device: async (path) => (await stat(path)).dev }

export interface Disk {
  /** The path for statfs. */
  readonly at: string
  readonly mount: Mount
  /** `st_dev` of the path, by the list of mounts; undefined where it need not be checked. */
  readonly device?: number | undefined
}

export interface MountAnswer {
  readonly size: FileSystemSize
  /** `st_dev` of the path; undefined where it was not asked for. */
  readonly device: number | undefined
  /** That of the folder that the path is in, where the first is not as expected. */
  readonly parentDevice: number | undefined
}

/** A file system answers within microseconds, unless its server or disk is away. */
const DEADLINE_MS = 400
/**
 * The most threads that file systems may take, of the four of Node's pool (UV_THREADPOOL_SIZE). The calls for every
 * other file, and for every host name, need the rest: without a thread there is no outbox and no new connection.
 */
const MAX_THREADS = 2

/** Asks file systems for their size, so that any number of dead ones holds at most `MAX_THREADS` threads. */
export class MountAsker {
  readonly #calls: FileSystemCalls
  /** The mounts that have not answered, by the path for statfs. */
  readonly #hanging = new Map<string, Mount>()

  constructor(calls: FileSystemCalls = NODE_CALLS) {
    this.#calls = calls
  }

  /**
   * Call it for one mount after the other. A mount that hangs is not asked again until it has answered.
   *
   * @returns why there is no answer, in words, where there is none
   * @throws the error of the system
   */
  async ask(disk: Disk): Promise<MountAnswer | { readonly reason: 'no_answer' | 'not_asked'; readonly why: string }> {
    const { at, mount } = disk
    const late = {
      reason: 'no_answer',
      why: `gave no answer within ${DEADLINE_MS} ms: left out until it does`,
    } as const
    if (this.#hanging.has(at)) return late
    if (!this.#mayAsk(mount)) {
      const paths = [...this.#hanging.values()].map(({ path }) => path).join(' and ')
      return { reason: 'not_asked', why: `is not asked while no answer comes from ${paths}` }
    }
    this.#hanging.set(at, mount)
    return (await beforeDeadline(this.#call(disk).finally(() => this.#hanging.delete(at)))) ?? late
  }

  /**
   * While one mount hangs, the last thread is for those that cannot hang for the same reason. A remote one could: when
   * the network is away, so are all servers, and the local disks would be hidden with them.
   */
  #mayAsk(mount: Mount): boolean {
    if (this.#hanging.size >= MAX_THREADS) return false
    for (const { device } of this.#hanging.values()) {
      if (isRemote(mount.fstype) || originOf(device) === originOf(mount.device)) return false
    }
    return true
  }

  /** One call after the other: one thread. */
  async #call({ at, device: expected }: Disk): Promise<MountAnswer> {
    const device = expected === undefined ? undefined : await this.#calls.device(at)
    const parentDevice = device === expected ? undefined : await this.#calls.device(dirname(at))
    return { size: await this.#calls.size(at), device, parentDevice }
  }
}

/** What mounts hang with: the server of `nas:/export` and `//nas/share`, the pool of `tank/home`, else the device. */
function originOf(device: string): string {
  return /^(?:\/\/)?([^/:]+)[:/]/.exec(device)?.[1] ?? device
}

/** `undefined` when the answer does not come in time. A later answer or failure is ignored. */
async function beforeDeadline<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    // After a long pause of this process the answer may be there, but timers run first. So it gets one more turn.
    timer = setTimeout(() => setImmediate(resolve, undefined), DEADLINE_MS)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
