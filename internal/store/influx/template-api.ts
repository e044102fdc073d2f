import { errorText } from '../../text/error-text.ts'
import { StoreError } from '../store.ts'
import { readError, shorten } from './answer.ts'
import { bucketName, isId } from './bucket.ts'
import { parseExactly } from './exact-json.ts'
import type { InfluxAnswer } from './exchange.ts'
import { influxError, NOT_SET_UP, unreachable } from './problem.ts'
import { isNotSetUp } from './set-up.ts'
import type { InfluxTransport } from './transport.ts'

/** The name by which a second call finds what the first has created. */
const STACK_NAME = 'sentinelstream'
const ALL_ACCESS = 'INFLUX_TOKEN must be an all-access token of the organisation; one for buckets alone is not enough'

/** What an earlier call has created. */
export interface Stack {
  readonly id: string
  readonly createdAt: string
  /** The ids of its resources, by their names in the template. */
  readonly resources: ReadonlyMap<string, string>
}

/** A variable of dashboards. */
export interface Variable {
  readonly name: string
  readonly createdAt: string
  /** Its kind and values, as InfluxDB gives and takes them. */
  readonly arguments: unknown
}

/** The requests that apply a template. Each rejects with a StoreError that says what to do. */
export class TemplateApi {
  readonly #transport: InfluxTransport
  readonly #signal: AbortSignal

  constructor(transport: InfluxTransport, signal: AbortSignal) {
    this.#transport = transport
    this.#signal = signal
  }

  async requireVersion2(): Promise<void> {
    const { headers } = await this.#send('GET', '/ping')
    const version = String(headers['x-influxdb-version'] ?? '')
    if (version === '' || /^v?[13]\./.test(version)) {
      const what = version === '' ? 'this is another server' : `this is ${version}`
      throw this.#error('refused', `has no dashboards of its own: they need InfluxDB 2.x, ${what}`)
    }
  }

  /** The id of an organisation, which is given by name or id. */
  async findOrg(org: string): Promise<string> {
    if (org === '') throw this.#error('refused', 'is asked for no organisation: set INFLUX_ORG')
    if (isId(org)) {
      const [byId] = await this.#orgs({ orgID: org })
      if (byId !== undefined) return byId.id
    }
    const [byName] = await this.#orgs({ org })
    if (byName !== undefined) return byName.id
    const others = (await this.#orgs({})).map(({ name }) => `"${name}"`)
    const advice = others.length > 0 ? `it shows ${others.join(', ')}: correct INFLUX_ORG` : ALL_ACCESS
    throw this.#error('refused', `shows no organisation "${org}" to this token; ${advice}`)
  }

  /** The name of a bucket, which is given by name or id. Over one that is not there, InfluxDB makes dashboards that stay empty. */
  async findBucket(bucket: string, orgID: string): Promise<string> {
    const name = await bucketName(this.#transport, bucket, this.#signal).catch((error: unknown) => {
      throw this.#unreachable(error)
    })
    const answer = await this.#send('GET', `/api/v2/buckets?${new URLSearchParams({ orgID, name })}`)
    const isThere = answer.status !== 404 && listOf(await this.#expect(answer, 200), 'buckets').length > 0
    if (isThere) return name
    throw this.#error('refused', `shows no bucket "${bucket}" to this token: create it, or correct INFLUX_BUCKET`)
  }

  async findStack(orgID: string): Promise<Stack | undefined> {
    const answer = await this.#send('GET', `/api/v2/stacks?${new URLSearchParams({ orgID, name: STACK_NAME })}`)
    for (const stack of listOf(await this.#expect(answer, 200), 'stacks')) {
      const event = newestEvent(stack)
      if (textOf(event, 'eventType') === 'uninstall') continue
      const resources = listOf(event, 'resources').map(
        (resource) => [textOf(resource, 'templateMetaName'), idOf(resource, 'resourceID')] as const,
      )
      return { id: textOf(stack, 'id'), createdAt: textOf(stack, 'createdAt'), resources: new Map(resources) }
    }
    return undefined
  }

  async createStack(orgID: string): Promise<string> {
    const description = 'Dashboards of SentinelStream: applied by "sentinel dashboards apply"'
    const answer = await this.#send('POST', '/api/v2/stacks', { orgID, name: STACK_NAME, description, urls: [] })
    return textOf(await this.#expect(answer, 201), 'id')
  }

  /** @returns undefined when there is none */
  async findVariable(id: string): Promise<Variable | undefined> {
    const answer = await this.#send('GET', `/api/v2/variables/${id}`)
    if (answer.status === 404) return undefined
    const found = await this.#expect(answer, 200)
    return {
      name: textOf(found, 'name'),
      createdAt: textOf(found, 'createdAt'),
      arguments: memberOf(found, 'arguments'),
    }
  }

  async createVariable(orgID: string, { name, arguments: values }: Variable): Promise<void> {
    await this.#expect(await this.#send('POST', '/api/v2/variables', { orgID, name, arguments: values }), 201)
  }

  async apply(orgID: string, stackID: string, contents: unknown[]): Promise<Array<{ id: string; name: string }>> {
    const template = { contentType: 'json', contents }
    const answer = await this.#send('POST', '/api/v2/templates/apply', { orgID, stackID, template })
    const summary = memberOf(await this.#expect(answer, 201), 'summary')
    return listOf(summary, 'dashboards').map((dashboard) => ({
      id: idOf(dashboard, 'id'),
      name: textOf(dashboard, 'name'),
    }))
  }

  /** None when the token may not see them, or when none has the name. */
  async #orgs(filter: Readonly<Record<string, string>>): Promise<Array<{ id: string; name: string }>> {
    const answer = await this.#send('GET', `/api/v2/orgs?${new URLSearchParams(filter)}`)
    if (answer.status === 404) return []
    const orgs = listOf(await this.#expect(answer, 200), 'orgs')
    return orgs.map((org) => ({ id: textOf(org, 'id'), name: textOf(org, 'name') }))
  }

  async #send(method: 'GET' | 'POST', path: string, body?: unknown): Promise<InfluxAnswer> {
    const content =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    try {
      return await this.#transport.send({ method, path, ...content }, this.#signal)
    } catch (error) {
      throw this.#unreachable(error)
    }
  }

  async #expect(answer: InfluxAnswer, status: 200 | 201): Promise<unknown> {
    if (answer.status === status || answer.status === 200) return this.#parse(answer)
    const { message } = readError(answer)
    const isForbidden = answer.status === 401 || answer.status === 403 || /unauthorized|permission/.test(message)
    const notSetUp = answer.status === 401 && (await isNotSetUp(this.#transport, this.#signal))
    const advice = notSetUp ? `: ${NOT_SET_UP}` : isForbidden ? `: ${ALL_ACCESS}` : ''
    const kind = answer.status >= 500 || answer.status === 429 ? 'away' : 'refused'
    throw this.#error(kind, `answers ${answer.status} ${shorten(message)}${advice}`)
  }

  #parse(answer: InfluxAnswer): unknown {
    try {
      return parseExactly(answer.body)
    } catch (error) {
      throw this.#error('refused', `does not answer with JSON: ${shorten(answer.body)}`, error)
    }
  }

  #unreachable(error: unknown): StoreError {
    return new StoreError('away', unreachable(this.#transport.url, errorText(error)), { cause: error })
  }

  #error(kind: StoreError['kind'], message: string, cause?: unknown): StoreError {
    return influxError(kind, this.#transport.url, message, cause)
  }
}

/** InfluxDB 2.7 lists the newest event first, and each event has its time. */
function newestEvent(stack: unknown): unknown {
  const at = (event: unknown): number => Date.parse(textOf(event, 'updatedAt')) || 0
  return listOf(stack, 'events').reduce((newest, event) => (at(event) > at(newest) ? event : newest), undefined)
}

function listOf(value: unknown, key: string): unknown[] {
  const list = memberOf(value, key)
  return Array.isArray(list) ? list : []
}

function textOf(value: unknown, key: string): string {
  const text = memberOf(value, key)
  return typeof text === 'string' ? text : ''
}

/** An id as InfluxDB's paths have it: 16 hexadecimal digits. Some answers have it as a number. */
function idOf(value: unknown, key: string): string {
  const id = memberOf(value, key)
  const [digits] = Array.isArray(id) ? id : [id]
  return Array.isArray(id) || typeof id === 'number'
    ? BigInt(String(digits)).toString(16).padStart(16, '0')
    : textOf(value, key)
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined
}
