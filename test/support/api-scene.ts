import { Writable } from 'node:stream'
import AjvCompiler from '@fastify/ajv-compiler'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { pino } from 'pino'
import { expect } from 'vitest'
import { type ApiOptions, buildApi } from '../../internal/api/api.ts'
import type { App } from '../../internal/http/app-types.ts'
import { Feed, type FeedOptions } from '../../internal/live/feed.ts'
import { FabricView } from '../../internal/view/fabric/fabric-view.ts'
import { QueueView } from '../../internal/view/queue/queue-view.ts'
import { FakeReader } from './fake-reader.ts'
import { LiveWay, silent } from './live-feed.ts'

/** An API with all its parts. Only the store is not real. */
export class ApiScene {
  readonly way = new LiveWay()
  readonly reader = new FakeReader()
  readonly fabrics: FabricView
  readonly feed: Feed
  readonly app: App
  readonly log: string[] = []
  reasons: string[] = []
  readonly #given: string

  constructor(options: Partial<ApiOptions> = {}, feedOptions: Partial<FeedOptions> = {}) {
    this.#given = Object.keys(options).sort().join()
    this.feed = new Feed({ table: this.way.table, intervalMs: 20, ...feedOptions })
    const lines = new Writable({
      write: (chunk, _encoding, done) => {
        this.log.push(String(chunk))
        done()
      },
    })
    const { clock, broker } = this.way
    this.fabrics = new FabricView({
      ...{ snapshots: broker.snapshots, clock, monotonicMs: clock.monotonicMs },
      ...{ logger: silent, staleAfterMs: () => 10_000 },
    })
    this.app = buildApi({
      reader: this.reader,
      table: this.way.table,
      feed: this.feed,
      fabrics: this.fabrics,
      queue: new QueueView(broker),
      clock: this.way.clock,
      logger: pino({ level: 'info' }, lines),
      ready: () => this.reasons,
      metrics: async () => 'sentinel_up 1\n',
      version: '1.2.3',
      webRoot: '/there/is/no/such/folder',
      ...options,
    })
  }

  static async open(options?: Partial<ApiOptions>, feedOptions?: Partial<FeedOptions>): Promise<ApiScene> {
    const scene = new ApiScene(options, feedOptions)
    await scene.way.table.open()
    await scene.fabrics.open()
    await scene.app.ready()
    return scene
  }

  /** Asks, and checks that the OpenAPI document has the answer's status, media type and schema. */
  async ask(request: string | InjectOptions): Promise<LightMyRequestResponse> {
    const answer = await this.app.inject(request)
    const document = DOCUMENTS.get(this.#given) ?? (await this.app.inject('/docs/json')).json<OpenApi>()
    DOCUMENTS.set(this.#given, document)
    expectDocumented(document, typeof request === 'string' ? { url: request } : request, answer)
    return answer
  }
}

/** As much of an OpenAPI document as the tests look at. */
export interface OpenApi {
  readonly openapi: string
  readonly info: { readonly version: string }
  readonly paths: Readonly<Record<string, { readonly get: { readonly responses: Readonly<Record<string, Response>> } }>>
  readonly components: { readonly schemas: object }
}

interface Response {
  readonly content: Readonly<Record<string, { readonly schema: object }>>
}

type Compiler = ReturnType<typeof AjvCompiler>
type Validator = ReturnType<ReturnType<Compiler>>

/** The documents of APIs by the options that they were given: which routes there are follows from these. Making one takes 0.1 s. */
const DOCUMENTS = new Map<string, OpenApi>()
/** By the documented content of an answer. */
const VALIDATORS = new WeakMap<object, Validator>()

function expectDocumented(document: OpenApi, request: InjectOptions, answer: LightMyRequestResponse): void {
  const path = String(request.url).split('?')[0]!
  const template = Object.keys(document.paths).find((known) =>
    new RegExp(`^${known.replace(/\{\w+\}/, '[^/]+')}$`).test(path),
  )
  const documented = document.paths[template ?? '']?.get.responses[answer.statusCode]
  expect(documented, `${answer.statusCode} of ${path} stands in the OpenAPI document: ${answer.body}`).toBeDefined()
  if (answer.statusCode === 304) return
  const mediaType = String(answer.headers['content-type']).split(';')[0]!
  const content = documented!.content[mediaType]
  expect(content, mediaType).toBeDefined()
  if (mediaType.endsWith('json')) {
    const validate = VALIDATORS.get(content!) ?? validatorOf({ ...content!.schema, components: document.components })
    VALIDATORS.set(content!, validate)
    expect(validate(answer.json()) ? undefined : validate.errors).toBeUndefined()
  }
}

/** Fastify's own validator without its leniency. */
function validatorOf(schema: object): Validator {
  const customOptions = { strict: false, coerceTypes: false, removeAdditional: false, useDefaults: false } as const
  return AjvCompiler()({}, { customOptions })({ schema } as Parameters<ReturnType<Compiler>>[0])
}
