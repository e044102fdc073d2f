import { ParameterError } from '../../http/errors.ts'
import { GROUP_RULE, isGroup, isTopic, TOPIC_RULE } from '../names.ts'

type Query = Readonly<Record<string, string | readonly string[] | undefined>>

/** The parameters in the URL of a request, checked one by one. */
export class Parameters {
  readonly #query: Query

  /**
   * @param query as fastify parses it
   * @param known the names that the route reads
   * @throws ParameterError for any other name: a misspelt one would be ignored, and the answer would look right
   */
  constructor(query: unknown, known: readonly string[]) {
    this.#query = query as Query
    for (const name in this.#query) {
      if (!known.includes(name)) throw new ParameterError(name, `there is no parameter ${JSON.stringify(name)}`)
    }
  }

  /** @throws ParameterError where it is missing or cannot be one */
  get topic(): string {
    return this.#name('topic', isTopic, TOPIC_RULE)
  }

  /** @throws ParameterError where it is missing or cannot be one */
  get group(): string {
    return this.#name('group', isGroup, GROUP_RULE)
  }

  /** Undefined where it is left out. @param below how many partitions a topic may have */
  partition(below: number): number | undefined {
    const text = this.text('partition')
    if (text === undefined) return undefined
    const partition = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
    if (partition < below) return partition
    throw new ParameterError('partition', `partition must be a whole number from 0 to ${below - 1}`)
  }

  /** @returns undefined where it is left out. @throws ParameterError where it is there twice */
  text(name: string): string | undefined {
    const value = this.#query[name]
    if (value === undefined || typeof value === 'string') return value
    throw new ParameterError(name, `${name} is there more than once`)
  }

  /** As often as it is there. */
  texts(name: string): readonly string[] {
    const value = this.#query[name] ?? []
    return typeof value === 'string' ? [value] : value
  }

  /** `true` or `false`; false where it is left out. */
  flag(name: string): boolean {
    const text = this.text(name) ?? 'false'
    if (text !== 'true' && text !== 'false') throw new ParameterError(name, `${name} must be true or false`)
    return text === 'true'
  }

  #name(name: string, isOne: (text: string) => boolean, rule: string): string {
    const text = this.text(name)
    if (text === undefined || text === '') throw new ParameterError(name, `${name} is missing`)
    if (!isOne(text)) throw new ParameterError(name, `${name} must be ${rule}`)
    return text
  }
}
