import { gzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { COMPRESSION } from '../../../http/compression.ts'
import { hasAlready } from '../../../http/conditional.ts'
import { type ReadyAnswer, readyAnswer } from '../../../http/fast-lane.ts'
import { KEPT_HEADERS } from '../../../http/security-headers.ts'
import type { FabricGeneration } from '../../../view/fabric/fabric-generation.ts'

/** Without a parameter: clients compare it. */
export const JSON_TYPE = 'application/json'

/** An answer that is the same for all who ask for it while a generation is shown. */
export interface Answer {
  readonly body: Buffer
  /** The URL of the next page. */
  readonly next?: string
}

export function linkTo(next: string): string {
  return `<${next}>; rel="next"`
}

/** An answer for the fast lane. */
export function readyJson(
  { id }: FabricGeneration,
  body: string | Buffer,
  others: Readonly<Record<string, string>> = {},
): ReadyAnswer {
  return readyAnswer({ ...KEPT_HEADERS, etag: tagOf(id), 'content-type': JSON_TYPE, ...others }, body)
}

/** Of short answers, some 600 bytes each. */
const MOST_SHORT = 1_024

/** Short answers by URL, while a generation is shown: whoever watches a value asks for it again and again. */
export class ShortAnswers {
  /** Not the generation, which would stay in memory until somebody asks. */
  #generationId = ''
  readonly #answers = new Map<string, ReadyAnswer>()

  /** @param make gives undefined where there is no such answer */
  get(generation: FabricGeneration, url: string, make: () => ReadyAnswer | undefined): ReadyAnswer | undefined {
    if (generation.id !== this.#generationId) this.#answers.clear()
    this.#generationId = generation.id
    const known = this.#answers.get(url)
    if (known !== undefined) return known
    const made = make()
    if (made !== undefined && this.#answers.size < MOST_SHORT) this.#answers.set(url, made)
    return made
  }
}

/** Of one generation. The longest answer has 14 MB. */
const MOST_KEPT = 64
const MOST_KEPT_BYTES = 64 * 2 ** 20

/** Answers by generation and question, each made once, also when many ask at the same time. They go with their generation. */
export class Answers {
  readonly #made = new WeakMap<FabricGeneration, Map<string, Answer | Promise<Answer>>>()
  readonly #zipped = new WeakMap<Answer, Buffer | 'begun'>()
  readonly #bytes = new WeakMap<FabricGeneration, number>()

  /** What has been made already. */
  made(generation: FabricGeneration, question: string): Answer | undefined {
    const answer = this.#made.get(generation)?.get(question)
    return answer instanceof Promise ? undefined : answer
  }

  get(generation: FabricGeneration, question: string, make: () => Answer | Promise<Answer>): Answer | Promise<Answer> {
    const kept = this.#made.get(generation) ?? new Map<string, Answer | Promise<Answer>>()
    this.#made.set(generation, kept)
    const known = kept.get(question)
    if (known !== undefined) return known
    const made = make()
    if (made instanceof Promise) {
      const keeping = generation.during(made).then(
        (answer) => this.#keep(generation, kept, question, answer),
        (error: unknown) => {
          kept.delete(question)
          throw error
        },
      )
      kept.set(question, keeping)
      return keeping
    }
    return this.#keep(generation, kept, question, made)
  }

  /** An answer as gzip, once it has been compressed: that begins when it is asked for. */
  zipped(answer: Answer): Buffer | undefined {
    const known = this.#zipped.get(answer)
    if (known === undefined) {
      this.#zipped.set(answer, 'begun')
      gzip(answer.body, COMPRESSION.zlibOptions, (error, zipped) => {
        if (error === null) this.#zipped.set(answer, zipped)
      })
    }
    return known === 'begun' ? undefined : known
  }

  #keep(
    generation: FabricGeneration,
    kept: Map<string, Answer | Promise<Answer>>,
    question: string,
    made: Answer,
  ): Answer {
    const bytes = (this.#bytes.get(generation) ?? 0) + made.body.length
    if (kept.size < MOST_KEPT && bytes <= MOST_KEPT_BYTES) {
      kept.set(question, made)
      this.#bytes.set(generation, bytes)
    } else kept.delete(question)
    return made
  }
}

/** The tag of all answers that are made of a generation alone. Weak, because gzip makes other bytes of the same answer. */
export function tagOf(id: string): string {
  return `W/"${id}"`
}

/** Sends a 304 where the client has the answer already. */
export function isSentAlready(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header('etag', tag)
  if (!hasAlready(request.headers['if-none-match'], tag)) return false
  reply.code(304).send()
  return true
}

export function sendAnswer(reply: FastifyReply, { body, next }: Answer): void {
  if (next !== undefined) reply.header('link', linkTo(next))
  // As bytes: to the type of a text fastify would add a charset.
  reply.header('content-type', JSON_TYPE).send(body)
}

/**
 * Sends a few bytes of JSON. Fastify would add a charset to the type of a text, which JSON has not, and bytes leave in a
 * second piece, which takes longer.
 */
export function sendShort(reply: FastifyReply, json: string): void {
  reply.header('content-type', JSON_TYPE).header('content-length', Buffer.byteLength(json)).hijack()
  reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>).end(json)
}
