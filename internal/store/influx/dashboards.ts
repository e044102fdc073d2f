import { parseAllDocuments } from 'yaml'
import { errorText } from '../../text/error-text.ts'
import { StoreError } from '../store.ts'
import { readError, shorten } from './answer.ts'
import type { InfluxAnswer } from './exchange.ts'
import { influxError, unreachable } from './problem.ts'
import { InfluxTransport } from './transport.ts'

/** The name by which a second call finds what the first has created. */
const STACK_NAME = 'sentinelstream'
/** The bucket in the template; the configured one takes its place. */
const TEMPLATE_BUCKET = 'bucket: "telemetry"'

export interface DashboardsRequest {
  readonly url: string
  /** An all-access or operator token: it must read and write dashboards, labels, variables and stacks of the organisation. */
  readonly token: string
  readonly org: string
  readonly bucket: string
  /** An InfluxDB template in YAML, with one resource per document. */
  readonly templateText: string
  readonly signal: AbortSignal
}

export interface AppliedDashboards {
  readonly stackId: string
  readonly action: 'created' | 'updated'
  readonly dashboards: ReadonlyArray<{ readonly name: string; readonly url: string }>
}

/**
 * Puts the dashboards of a template into InfluxDB 2.x. They belong to a stack of a fixed name, so a second call updates them instead of
 * creating them again. Rejects with a StoreError that says what to do.
 */
export async function applyDashboards(request: DashboardsRequest): Promise<AppliedDashboards> {
  const { url, token, org, bucket, signal } = request
  const contents = readTemplate(request.templateText, bucket)
  const transport = new InfluxTransport({ url, token: () => token })
  try {
    const api = new TemplateApi(transport, signal)
    await api.requireVersion2()
    const orgId = await api.findOrg(org)
    const known = await api.findStack(orgId)
    const stackId = known ?? (await api.createStack(orgId))
    const dashboards = await api.apply(orgId, stackId, contents)
    return {
      stackId,
      action: known === undefined ? 'created' : 'updated',
      dashboards: dashboards.map(({ id, name }) => ({
        name,
        url: `${transport.url}/orgs/${orgId}/dashboards/${id}`,
      })),
    }
  } finally {
    transport.close()
  }
}

/** The documents of the template. Their Flux queries read from `bucket`. */
export function readTemplate(text: string, bucket: string): unknown[] {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.map((document) => {
    const [error] = document.errors
    if (error !== undefined) throw new StoreError('refused', `the template is not YAML: ${error.message}`)
    return replaceBucket(document.toJS(), `bucket: ${fluxString(bucket)}`)
  })
}

function replaceBucket(value: unknown, replacement: string): unknown {
  if (typeof value === 'string') return value.replaceAll(TEMPLATE_BUCKET, () => replacement)
  if (Array.isArray(value)) return value.map((item) => replaceBucket(item, replacement))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaceBucket(item, replacement)]))
}

/** A Flux string literal, in which `${` would begin an expression. */
function fluxString(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('${', '\\${')}"`
}

/** The five requests that apply a template. */
class TemplateApi {
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

  async findOrg(org: string): Promise<string> {
    const answer = await this.#send('GET', `/api/v2/orgs?${new URLSearchParams({ org })}`)
    const [found] = listOf(this.#expect(answer, 200), 'orgs')
    if (found === undefined) throw this.#error('refused', `knows no organisation "${org}": correct INFLUX_ORG`)
    return textOf(found, 'id')
  }

  async findStack(orgID: string): Promise<string | undefined> {
    const answer = await this.#send('GET', `/api/v2/stacks?${new URLSearchParams({ orgID, name: STACK_NAME })}`)
    const stacks = listOf(this.#expect(answer, 200), 'stacks')
    const found = stacks.find((stack) => textOf(listOf(stack, 'events').at(-1), 'eventType') !== 'uninstall')
    return found === undefined ? undefined : textOf(found, 'id')
  }

  async createStack(orgID: string): Promise<string> {
    const description = 'Dashboards of SentinelStream: applied by "sentinel dashboards apply"'
    const answer = await this.#send('POST', '/api/v2/stacks', { orgID, name: STACK_NAME, description, urls: [] })
    return textOf(this.#expect(answer, 201), 'id')
  }

  async apply(orgID: string, stackID: string, contents: unknown[]): Promise<Array<{ id: string; name: string }>> {
    const template = { contentType: 'json', contents }
    const answer = await this.#send('POST', '/api/v2/templates/apply', { orgID, stackID, template })
    const { summary } = this.#expect(answer, 201)
    return listOf(summary, 'dashboards').map((dashboard) => ({
      id: textOf(dashboard, 'id'),
      name: textOf(dashboard, 'name'),
    }))
  }

  async #send(method: 'GET' | 'POST', path: string, body?: unknown): Promise<InfluxAnswer> {
    const content =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    try {
      return await this.#transport.send({ method, path, ...content }, this.#signal)
    } catch (error) {
      throw new StoreError('away', unreachable(this.#transport.url, errorText(error)), { cause: error })
    }
  }

  #expect(answer: InfluxAnswer, status: 200 | 201): Record<string, unknown> {
    if (answer.status === status || answer.status === 200) {
      try {
        return JSON.parse(answer.body)
      } catch (error) {
        throw this.#error('refused', `does not answer with JSON: ${shorten(answer.body)}`, error)
      }
    }
    const advice =
      answer.status === 401 || answer.status === 403
        ? ': INFLUX_TOKEN must be an all-access token of the organisation'
        : ''
    const message = `answers ${answer.status} ${shorten(readError(answer).message)}${advice}`
    throw this.#error(answer.status >= 500 || answer.status === 429 ? 'away' : 'refused', message)
  }

  #error(kind: StoreError['kind'], message: string, cause?: unknown): StoreError {
    return influxError(kind, this.#transport.url, message, cause)
  }
}

function listOf(value: unknown, key: string): unknown[] {
  const list = memberOf(value, key)
  return Array.isArray(list) ? list : []
}

function textOf(value: unknown, key: string): string {
  const text = memberOf(value, key)
  return typeof text === 'string' ? text : ''
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined
}
