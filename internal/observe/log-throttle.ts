import type { Logger } from 'pino'

type Level = 'info' | 'warn' | 'error'

interface Topic {
  readonly level: Level
  fields: object
  message: string
  repeated: number
}

/** The key for every further key once there are `maxKeys`. */
const OTHER = '(other)'

/**
 * Keeps a repeating fault from flooding the log. The first line of a key is written immediately. Later lines are
 * counted, and written once per period with the newest fields and the count `repeated`. A key without lines for a whole
 * period counts as new again.
 */
export class LogThrottle {
  readonly #logger: Logger
  readonly #everyMs: number
  readonly #maxKeys: number
  readonly #topics = new Map<string, Topic>()
  #timer: NodeJS.Timeout | undefined

  constructor(logger: Logger, options: { everyMs?: number; maxKeys?: number } = {}) {
    this.#logger = logger
    this.#everyMs = options.everyMs ?? 10_000
    this.#maxKeys = options.maxKeys ?? 100
  }

  /**
   * @param key the same for all repetitions, such as a reason or a host. The number of different keys must be bounded
   */
  warn(key: string, fields: object, message: string): void {
    this.#log('warn', key, fields, message)
  }

  info(key: string, fields: object, message: string): void {
    this.#log('info', key, fields, message)
  }

  error(key: string, fields: object, message: string): void {
    this.#log('error', key, fields, message)
  }

  /** Writes the counted lines and forgets all keys. For the end of the process. */
  flush(): void {
    for (const topic of this.#topics.values()) this.#writeRepeated(topic)
    this.#topics.clear()
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #log(level: Level, wantedKey: string, fields: object, message: string): void {
    const key = this.#topics.has(wantedKey) || this.#topics.size < this.#maxKeys ? wantedKey : OTHER
    const topic = this.#topics.get(key)
    if (topic !== undefined) {
      topic.fields = fields
      topic.message = message
      topic.repeated++
      return
    }
    this.#topics.set(key, { level, fields, message, repeated: 0 })
    this.#timer ??= setInterval(() => this.#endPeriod(), this.#everyMs).unref()
    this.#logger[level](fields, message)
  }

  #endPeriod(): void {
    for (const [key, topic] of this.#topics) {
      if (topic.repeated === 0) this.#topics.delete(key)
      else this.#writeRepeated(topic)
    }
    if (this.#topics.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #writeRepeated(topic: Topic): void {
    if (topic.repeated === 0) return
    this.#logger[topic.level]({ ...topic.fields, repeated: topic.repeated }, topic.message)
    topic.repeated = 0
  }
}
