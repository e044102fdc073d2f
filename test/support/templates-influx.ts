import { createServer, type IncomingMessage } from 'node:http'
import { recordedExchange } from './recorded-influx.ts'

/**
 * Organisation, stacks and templates as InfluxDB 2.7.12 keeps them. A template applied without a stack creates its
 * resources again each time.
 */
export interface TemplatesInflux {
  readonly url: string
  /** Method and path of each request. */
  readonly paths: readonly string[]
  readonly dashboards: ReadonlyMap<string, string>
  /** Removes the newest stack, as `influx stacks remove` does. */
  uninstall(): void
  stop(): Promise<void>
}

interface TemplateResource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: { readonly name: string }
}

/**
 * Accepts the token `right` for the organisation `sentinel`.
 *
 * @param version what /ping says; a server of 2.7.12 says `dev`
 */
export async function startTemplatesInflux(version = 'dev'): Promise<TemplatesInflux> {
  const paths: string[] = []
  const dashboards = new Map<string, string>()
  const stacks: Array<{ id: string; orgID: string; events: Array<{ eventType: string; name: string }> }> = []
  const answer = async (request: IncomingMessage): Promise<{ status: number; body?: unknown }> => {
    let text = ''
    for await (const chunk of request) text += chunk
    const body = text === '' ? undefined : JSON.parse(text)
    const url = new URL(request.url ?? '', 'http://fake')
    paths.push(`${request.method} ${url.pathname}`)
    if (url.pathname === '/ping') return { status: 204 }
    if (request.headers.authorization !== 'Token right') {
      const { response } = recordedExchange('query no auth')
      return { status: response.status, body: JSON.parse(response.body) }
    }
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /api/v2/orgs': {
        const name = url.searchParams.get('org')
        if (name === 'sentinel') return { status: 200, body: { orgs: [{ id: 'fcef2b019e669307', name }] } }
        return { status: 404, body: { code: 'not found', message: `organization name "${name}" not found` } }
      }
      case 'GET /api/v2/stacks': {
        const name = url.searchParams.get('name')
        const found = stacks.filter(
          ({ orgID, events }) => orgID === url.searchParams.get('orgID') && events[0]?.name === name,
        )
        return { status: 200, body: { stacks: found } }
      }
      case 'POST /api/v2/stacks': {
        const stack = {
          id: `stack${stacks.length + 1}`,
          orgID: body.orgID,
          events: [{ eventType: 'create', name: body.name }],
        }
        stacks.push(stack)
        return { status: 201, body: stack }
      }
      case 'POST /api/v2/templates/apply': {
        const applied = (body.template.contents as TemplateResource[]).filter(({ kind }) => kind === 'Dashboard')
        const summary = applied.map(({ metadata, spec }) => {
          const key = `${body.stackID ?? dashboards.size} ${metadata.name}`
          const id = dashboards.get(key) ?? `id${dashboards.size + 1}`
          dashboards.set(key, id)
          return { id, name: spec.name }
        })
        return { status: 201, body: { stackID: body.stackID, summary: { dashboards: summary } } }
      }
      default:
        return { status: 404, body: { code: 'not found', message: 'path not found' } }
    }
  }
  const server = createServer(async (request, response) => {
    const { status, body } = await answer(request)
    response.writeHead(status, version === '' ? {} : { 'x-influxdb-version': version })
    response.end(body === undefined ? '' : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}`,
    paths,
    dashboards,
    uninstall: () => stacks.at(-1)?.events.push({ eventType: 'uninstall', name: '' }),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
