import AjvCompiler from '@fastify/ajv-compiler'
import type { LightMyRequestResponse } from 'fastify'
import { expect } from 'vitest'
import type { App } from '../../internal/http/app-types.ts'

/** A parameter as an OpenAPI document has it. */
export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: { readonly type?: string; readonly enum?: readonly string[] }
}
interface Operation {
  readonly requestBody?: { readonly content: object }
  readonly parameters?: readonly Parameter[]
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: object }>> }>>
  readonly security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>>
}
export interface Endpoint {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly operation: Operation
  /** A scope, or public. */
  readonly needs: string
  readonly isStream: boolean
}

type Validator = { (value: unknown): boolean; errors?: unknown }

/** The OpenAPI document of an API, and whether answers are as it says. */
export class OpenApiDocument {
  readonly endpoints: readonly Endpoint[]
  readonly #components: object
  readonly #validators = new Map<object, Validator>()

  private constructor(endpoints: readonly Endpoint[], components: object) {
    this.endpoints = endpoints
    this.#components = components
  }

  static async of(app: App): Promise<OpenApiDocument> {
    const { paths, components } = (await app.inject('/docs/json')).json<{
      paths: Record<string, Record<string, Operation>>
      components: object
    }>()
    const endpoints = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        ...{ method: method.toUpperCase() as 'GET', path, operation },
        needs: Object.values(operation.security?.[0] ?? {})[0]?.[0] ?? 'public',
        isStream: operation.responses[200]?.content?.['text/event-stream'] !== undefined,
      })),
    )
    return new OpenApiDocument(endpoints, strict(components) as object)
  }

  /** Expects that the document has status, media type and every member of an answer. @param words say which answer it is */
  hold({ operation }: Endpoint, method: string, answer: LightMyRequestResponse, words: string): void {
    const documented = operation.responses[answer.statusCode]
    expect(documented, `the document has it: ${words}`).toBeDefined()
    if (method === 'HEAD' || answer.body === '') return
    const mediaType = String(answer.headers['content-type']).split(';')[0]!
    const content = documented?.content?.[mediaType]
    expect(content, `the document has ${mediaType}: ${words}`).toBeDefined()
    if (!mediaType.endsWith('json')) return
    const validate = this.#validators.get(content!) ?? this.#validatorOf(content!.schema)
    this.#validators.set(content!, validate)
    expect(validate(answer.json()) ? undefined : validate.errors, words).toBeUndefined()
  }

  #validatorOf(of: object): Validator {
    const schema = { ...(strict(of) as object), components: this.#components }
    // Fastify's own without its leniency.
    const customOptions = { strict: false, coerceTypes: false, removeAdditional: false, useDefaults: false } as const
    const compiler = AjvCompiler()({}, { customOptions })
    return compiler({ schema } as Parameters<typeof compiler>[0]) as unknown as Validator
  }
}

/** A copy of a schema whose objects have no members beside those that it names. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  const isObject = copy.type === 'object' && copy.properties !== undefined && copy.patternProperties === undefined
  return isObject ? { additionalProperties: false, ...copy } : copy
}
