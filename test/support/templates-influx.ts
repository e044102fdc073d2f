import { createServer } from 'node:http'
import { recordedExchange } from './recorded-influx.ts'

/** The organisation, buckets, variables, stacks and dashboards of an InfluxDB 2.7.12. */
export interface TemplatesInflux {
  readonly url: string
  /** Method and path of each request. */
  readonly paths: readonly string[]
  /** By id. Templates without a stack make them again each time. */
  readonly dashboards: ReadonlyMap<string, string>
  readonly variables: Map<string, StoredVariable>
  /** Removes the newest stack, as `influx stacks remove` does. */
  uninstall(): void
  /** Gives the newest stack a variable, as an older template did. */
  adopt(templateMetaName: string, id: string): void
  stop(): Promise<void>
}

export interface StoredVariable {
  readonly name: string
  readonly createdAt: string
  readonly arguments: unknown
}

export interface TemplatesInfluxOptions {
  /** What /ping says; a server of 2.7.12 says `dev`. */
  readonly version?: string
  /** Whether somebody has set it up. Before, it refuses every token. */
  readonly isSetUp?: boolean
}

interface TemplateResource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: { readonly name: string; readonly query?: string }
}

interface Answer {
  readonly status: number
  readonly body?: unknown
}

interface Stack {
  readonly id: string
  readonly orgID: string
  readonly createdAt: string
  /** The newest is first. */
  readonly events: Array<{ eventType: string; name: string; updatedAt: string; resources: StackResource[] }>
}

interface StackResource {
  readonly kind: string
  readonly templateMetaName: string
  readonly resourceID: string
}

const ORG = { id: 'fcef2b019e669307', name: 'sentinel' }
const BUCKET = { id: '0c1d2e3f40516273', name: 'metrics' }

/** Accepts the token `right`, and the token `buckets`, which may see buckets and nothing else. */
export async function startTemplatesInflux(options: TemplatesInfluxOptions = {}): Promise<TemplatesInflux> {
  const { version = 'dev', isSetUp = true } = options
  const paths: string[] = []
  const dashboards = new Map<string, string>()
  const variables = new Map<string, StoredVariable>()
  const stacks: Stack[] = []
  let clock = Date.parse('2026-11-29T12:00:00Z')
  const now = (): string => {
    clock += 1000
    return new Date(clock).toISOString()
  }

  const event = (stack: Stack, eventType: string, name: string, resources: StackResource[]): void =>
    void stack.events.unshift({ eventType, name, updatedAt: now(), resources })

  /** A variable of the same name is taken over. One that the template has no longer is deleted. */
  const apply = (contents: readonly TemplateResource[], stack: Stack | undefined): Answer => {
    const before = stack?.events[0]?.resources ?? []
    const after = contents.map(({ kind, metadata, spec }): StackResource => {
      const mine = before.find((each) => each.kind === kind && each.templateMetaName === metadata.name)
      const store = kind === 'Variable' ? variables : dashboards
      const namesake = kind === 'Variable' ? [...variables].find(([, { name }]) => name === spec.name)?.[0] : undefined
      const resourceID =
        mine?.resourceID ?? namesake ?? (0x1000000000000001n + BigInt(paths.length + store.size)).toString(16)
      if (kind === 'Dashboard') dashboards.set(resourceID, spec.name)
      if (kind === 'Variable') {
        const values = { type: 'query', values: { language: 'flux', query: spec.query } }
        const createdAt = variables.get(resourceID)?.createdAt ?? now()
        variables.set(resourceID, { name: spec.name, createdAt, arguments: values })
      }
      return { kind, templateMetaName: metadata.name, resourceID }
    })
    for (const { kind, resourceID } of before) {
      if (kind === 'Variable' && !after.some((each) => each.resourceID === resourceID)) variables.delete(resourceID)
    }
    if (stack !== undefined) event(stack, 'update', stack.events.at(-1)!.name, after)
    const summary = after
      .filter(({ kind }) => kind === 'Dashboard')
      .map(({ resourceID }) => ({ id: BigInt(`0x${resourceID}`), name: dashboards.get(resourceID) }))
    return { status: 201, body: { stackID: stack?.id, summary: { dashboards: summary } } }
  }

  const answerTo = (method: string, url: URL, body: Record<string, unknown>): Answer => {
    const query = url.searchParams
    const [, , , resource = '', id = ''] = url.pathname.split('/')
    switch (`${method} ${resource}${id === '' ? '' : '/'}`) {
      case 'GET orgs': {
        const [name, orgID] = [query.get('org'), query.get('orgID')]
        const isFound = (name === null || name === ORG.name) && (orgID === null || orgID === ORG.id)
        if (isFound) return { status: 200, body: { orgs: [ORG] } }
        return notFound(`organization name "${name ?? ''}" not found`)
      }
      case 'GET buckets': {
        const name = query.get('name')
        const isFound = query.get('orgID') === ORG.id && name === BUCKET.name
        return isFound ? { status: 200, body: { buckets: [BUCKET] } } : notFound(`bucket "${name}" not found`)
      }
      case 'GET buckets/':
        return id === BUCKET.id ? { status: 200, body: BUCKET } : notFound('bucket not found')
      case 'GET stacks': {
        const found = stacks.filter(
          ({ orgID, events }) => orgID === query.get('orgID') && events.at(-1)?.name === query.get('name'),
        )
        return { status: 200, body: { stacks: found } }
      }
      case 'POST stacks': {
        const stack: Stack = {
          id: `stack${stacks.length + 1}`,
          orgID: String(body.orgID),
          createdAt: now(),
          events: [],
        }
        stacks.push(stack)
        event(stack, 'create', String(body.name), [])
        return { status: 201, body: stack }
      }
      case 'GET variables/': {
        const found = variables.get(id)
        return found === undefined ? notFound('variable not found') : { status: 200, body: { id, ...found } }
      }
      case 'POST variables': {
        const made = { name: String(body.name), createdAt: now(), arguments: body.arguments }
        variables.set(`made${variables.size}`, made)
        return { status: 201, body: made }
      }
      case 'POST templates/': {
        const { contents } = body.template as { contents: TemplateResource[] }
        return apply(
          contents,
          stacks.find((stack) => stack.id === body.stackID),
        )
      }
      default:
        return notFound('path not found')
    }
  }

  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const url = new URL(request.url ?? '', 'http://fake')
    paths.push(`${request.method} ${url.pathname}`)
    const answer = ((): Answer => {
      if (url.pathname === '/ping') return { status: 204 }
      if (url.pathname === '/api/v2/setup') return { status: 200, body: { allowed: !isSetUp } }
      const token = request.headers.authorization
      if (!isSetUp || (token !== 'Token right' && token !== 'Token buckets')) {
        const { response: refusal } = recordedExchange('query no auth')
        return { status: refusal.status, body: JSON.parse(refusal.body) }
      }
      if (token === 'Token buckets' && url.pathname === '/api/v2/orgs') return { status: 200, body: { orgs: [] } }
      return answerTo(request.method ?? '', url, text === '' ? {} : JSON.parse(text))
    })()
    response.writeHead(answer.status, version === '' ? {} : { 'x-influxdb-version': version })
    response.end(answer.body === undefined ? '' : exactJson(answer.body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}`,
    ...{ paths, dashboards, variables },
    uninstall: () => event(stacks.at(-1)!, 'uninstall', '', []),
    adopt: (templateMetaName, resourceID) =>
      void stacks.at(-1)!.events[0]!.resources.push({ kind: 'Variable', templateMetaName, resourceID }),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function notFound(message: string): Answer {
  return { status: 404, body: { code: 'not found', message } }
}

/** As InfluxDB 2.7 writes JSON: indented, and ids as numbers of any size. */
function exactJson(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? `#${item}#` : item), '\t')
  return text.replace(/"#(\d+)#"/g, '$1')
}
