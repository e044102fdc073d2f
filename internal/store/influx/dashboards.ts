import { parseAllDocuments } from 'yaml'
import { StoreError } from '../store.ts'
import { type Stack, TemplateApi, type Variable } from './template-api.ts'
import { type InfluxServer, InfluxTransport } from './transport.ts'

/** The bucket in the template; the configured one takes its place. */
const TEMPLATE_BUCKET = 'bucket: "telemetry"'

/** The variable that selects a host, in older templates. */
const OLD_VARIABLE = { name: 'host', templateName: 'host-variable' }

export interface DashboardsRequest {
  /** Its token reads and writes dashboards, labels, variables and stacks of the organisation: an all-access or operator token. */
  readonly server: InfluxServer
  /** Name or id. */
  readonly org: string
  /** Name or id. */
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
  const { server, org, bucket, signal } = request
  readTemplate(request.templateText, bucket)
  const transport = new InfluxTransport(server)
  try {
    const api = new TemplateApi(transport, signal)
    await api.requireVersion2()
    const orgId = await api.findOrg(org)
    const contents = readTemplate(request.templateText, await api.findBucket(bucket, orgId))
    const known = await api.findStack(orgId)
    const stackId = known?.id ?? (await api.createStack(orgId))
    const theirs = known === undefined ? undefined : await findUsersVariable(api, known)
    const dashboards = await api.apply(orgId, stackId, contents)
    if (theirs !== undefined) await api.createVariable(orgId, theirs)
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

/**
 * The variable `host` of the stack, if it is the user's: it was there before the stack, which took it over, or it has been changed since.
 * The template has it no longer, so the next `apply` deletes it, and it must be made again.
 */
async function findUsersVariable(api: TemplateApi, stack: Stack): Promise<Variable | undefined> {
  const id = stack.resources.get(OLD_VARIABLE.templateName)
  const found = id === undefined ? undefined : await api.findVariable(id)
  if (found === undefined || found.name !== OLD_VARIABLE.name) return undefined
  const isOlder = Date.parse(found.createdAt) < Date.parse(stack.createdAt)
  const isOurs = JSON.stringify(found.arguments).includes('schema.tagValues(bucket:')
  return isOlder || !isOurs ? found : undefined
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
