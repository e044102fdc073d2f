import { startInflux2 } from './servers.ts'

/** An InfluxDB 2.x to test against. Each test run has its own buckets. */
export interface Influx2 {
  readonly url: string
  readonly token: string
  readonly org: string
  readonly orgId: string
  /** Creates a bucket, which is deleted when the run ends. By default it keeps everything. `suffix` ends its name. */
  newBucket(retentionSeconds?: number, suffix?: string): Promise<string>
  bucketId(bucket: string): string
  /** A token that may only do this with this bucket. */
  bucketToken(action: 'read' | 'write', bucket: string): Promise<string>
  /** Sends a request with the run's token. Rejects unless the answer is 2xx. */
  api(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<string>
  stop(): Promise<void>
}

const HINT = `No InfluxDB 2.x to test against. Set one of
  INFLUXD2    the path of an influxd 2.x program: it is started in a temporary folder and set up
  INFLUX_URL  a running one, with INFLUX_TOKEN (all-access) and INFLUX_ORG: the tests make buckets of their own and remove them`

/** The server at INFLUX_URL, or a new one started from the program INFLUXD2. */
export async function openInflux2(env: NodeJS.ProcessEnv = process.env): Promise<Influx2> {
  const { INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG, INFLUXD2 } = env
  if (INFLUX_URL !== undefined && INFLUX_URL !== '') {
    if (!INFLUX_TOKEN || !INFLUX_ORG) throw new Error(`INFLUX_URL needs INFLUX_TOKEN and INFLUX_ORG.\n${HINT}`)
    return connect(INFLUX_URL.replace(/\/$/, ''), INFLUX_TOKEN, INFLUX_ORG)
  }
  if (INFLUXD2 === undefined || INFLUXD2 === '') throw new Error(HINT)
  const server = await startInflux2(INFLUXD2)
  try {
    const user = { username: 'admin', password: 'sentinel-test' }
    const setup = { ...user, org: 'sentinel', bucket: 'first', retentionPeriodSeconds: 0 }
    const answer = await request(`${server.url}/api/v2/setup`, 'POST', undefined, setup)
    const { auth }: { auth: { token: string } } = JSON.parse(answer)
    return await connect(server.url, auth.token, 'sentinel', () => server.stop())
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function connect(url: string, token: string, org: string, end?: () => Promise<void>): Promise<Influx2> {
  const api: Influx2['api'] = (method, path, body) => request(`${url}${path}`, method, token, body)
  const found: { orgs: Array<{ id: string }> } = JSON.parse(
    await api('GET', `/api/v2/orgs?${new URLSearchParams({ org })}`),
  )
  const orgID = found.orgs[0]?.id ?? ''
  const run = Date.now().toString(36)
  const bucketIds = new Map<string, string>()
  const tokenIds: string[] = []
  return {
    ...{ url, token, org, orgId: orgID, api },
    async newBucket(retentionSeconds = 0, suffix = '') {
      const name = `sentinel-test-${run}-${bucketIds.size + 1}${suffix}`
      const retentionRules = retentionSeconds === 0 ? [] : [{ type: 'expire', everySeconds: retentionSeconds }]
      const made: { id: string } = JSON.parse(await api('POST', '/api/v2/buckets', { orgID, name, retentionRules }))
      bucketIds.set(name, made.id)
      return name
    },
    bucketId: (bucket) => bucketIds.get(bucket) ?? '',
    async bucketToken(action, bucket) {
      const permissions = [{ action, resource: { type: 'buckets', id: bucketIds.get(bucket), orgID } }]
      const body = { orgID, description: `sentinel-test-${run}`, permissions }
      const made: { id: string; token: string } = JSON.parse(await api('POST', '/api/v2/authorizations', body))
      tokenIds.push(made.id)
      return made.token
    },
    async stop() {
      for (const id of bucketIds.values()) await api('DELETE', `/api/v2/buckets/${id}`)
      for (const id of tokenIds) await api('DELETE', `/api/v2/authorizations/${id}`)
      await end?.()
    },
  }
}

async function request(url: string, method: string, token: string | undefined, body?: unknown): Promise<string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (token !== undefined) headers.authorization = `Token ${token}`
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url} answers ${answer.status} ${text}`)
  return text
}
