import type { LogThrottle } from '../../observe/log-throttle.ts'
import { describeProblem, isReply, nextAfter } from './problem.ts'
import type { RedisPlace } from './url.ts'

interface Refusal {
  readonly problem: string
  /** As in ACL SETUSER: `+xack`, `~queue:{telemetry:0}`, `&metrics`. '' where no right is missing, or it is unknown which. */
  readonly right: string
  atMs: number
}

/** Many commands may be refused one after the other: one line says all of it. */
const LOG_AFTER_MS = 100
/** The most rights that a problem names. A user without any lacks hundreds, with 256 partitions. */
const MAX_NAMED = 12

/**
 * The commands that Redis refuses over one connection. A refusal stands until the same command succeeds, or until it
 * was not repeated for long.
 */
export class Refusals {
  readonly #address: string
  readonly #user: string
  readonly #connection: string
  readonly #throttle: LogThrottle
  readonly #standing = new Map<string, Refusal>()
  #logging: NodeJS.Timeout | undefined

  /** @param connection its name in the log */
  constructor({ address, username }: RedisPlace, connection: string, throttle: LogThrottle) {
    this.#address = address
    this.#user = username === '' ? 'default' : username
    this.#connection = connection
    this.#throttle = throttle
  }

  get size(): number {
    return this.#standing.size
  }

  /** @param command with its key or channel: `XACK queue:{telemetry:0}` */
  add(command: string, reply: Error): void {
    const right = nextAfter(reply) === 'right' ? missingRight(reply) : ''
    this.#standing.set(command, { problem: describeProblem(reply, this.#address), right, atMs: performance.now() })
    this.#logging ??= setTimeout(() => this.#log(reply), LOG_AFTER_MS).unref()
  }

  /** Redis took the command. */
  remove(command: string): void {
    if (!this.#standing.delete(command) || this.#standing.size > 0) return
    const message = `Redis at ${this.#address} refuses nothing any more`
    this.#throttle.info('taken', { connection: this.#connection }, message)
  }

  /** Forgets what was not refused again for so long: nobody may send that command any more. */
  expire(olderThanMs: number): void {
    const nowMs = performance.now()
    for (const [command, { atMs }] of this.#standing) {
      if (nowMs - atMs > olderThanMs) this.#standing.delete(command)
    }
  }

  clear(): void {
    this.#standing.clear()
  }

  /** What is refused and what to do; '' when nothing is. */
  get problem(): string {
    if (this.#standing.size === 0) return ''
    const refusals = [...this.#standing.values()]
    const rights = new Set(refusals.map(({ right }) => right).filter((right) => right !== ''))
    const others = new Set(refusals.filter(({ right }) => right === '').map(({ problem }) => problem))
    // A script says only that some right is missing; the others say which.
    const scripts = [...others].filter((problem) => rights.size === 0 || !problem.includes('executing the script'))
    return [...(rights.size > 0 ? [this.#describeRights([...rights].sort())] : []), ...scripts].join('; ')
  }

  #log(err: Error): void {
    this.#logging = undefined
    const { problem } = this
    if (problem !== '') this.#throttle.warn(problem, { connection: this.#connection, err }, problem)
  }

  #describeRights(rights: readonly string[]): string {
    const named = rights.slice(0, MAX_NAMED).join(' ')
    const more = rights.length > MAX_NAMED ? ` and ${rights.length - MAX_NAMED} more` : ''
    return `Redis at ${this.#address}: the user ${this.#user} lacks rights: ACL SETUSER ${this.#user} ${named}${more}; docs/redis.md lists those of each role`
  }
}

/** What ioredis adds to an error reply. */
interface RepliedCommand {
  readonly name: string
  readonly args: readonly unknown[]
}

function missingRight(reply: Error): string {
  const command = /'([^']+)' command/.exec(reply.message)?.[1]
  if (reply.message.startsWith('NOPERM') && command !== undefined) return `+${command}`
  const sent = commandOf(reply)
  if (sent === undefined || !reply.message.startsWith('NOPERM')) return ''
  if (/\bchannels?\b/.test(reply.message)) return sent.args.map((channel) => `&${String(channel)}`).at(0) ?? ''
  if (/\bkeys?\b/.test(reply.message)) return `~${keyOf(sent)}`
  return ''
}

function commandOf(reply: Error): RepliedCommand | undefined {
  return isReply(reply) && 'command' in reply ? (reply.command as RepliedCommand) : undefined
}

/** The first key of a command of ours. */
function keyOf({ name, args }: RepliedCommand): string {
  const streams = args.indexOf('STREAMS')
  const at = streams >= 0 ? streams + 1 : ({ eval: 2, xgroup: 1, xinfo: 1 }[name.toLowerCase()] ?? 0)
  return String(args[at])
}
