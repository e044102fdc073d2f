import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { expect } from 'vitest'
import type { Endpoint } from './open-api.ts'
import { packedSeries, packSnappy } from './remote-write.ts'
import { SAMPLES } from './stored-scene.ts'

/** Values of parameters that have to be given, in an API of `openStoredScene`. */
const VALUES: Readonly<Record<string, string>> = {
  ...{ host: 'web-01', measurement: 'cpu', field: 'usage_user', metric: 'latency_ms', switch_id: 'sw1', format: 'csv' },
}
/** By endpoint, where that is another one. */
const OTHER_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '/api/v1/gpus/{id}/metrics': { id: 'GPU-1' },
  '/api/v1/gpus/{id}/telemetry': { id: 'gpu-001' },
  '/api/v1/switches/{id}/metrics': { id: 'sw1', field: 'latency_ms' },
}

function rightValue(path: string, name: string): string {
  const value = OTHER_VALUES[path]?.[name] ?? VALUES[name]
  if (value === undefined)
    throw new Error(`no right value of ${name} for ${path}: test/support/right-inputs.ts has none`)
  return value
}

const HISTORY = ['start=-1m&end=now&every=5s&aggregate=p99', 'aggregate=last&every=1s']

/** What may be asked for beside what has to be given, by endpoint. The first question is the one that attempts begin with. */
const QUERIES: Readonly<Record<string, readonly string[]>> = {
  '/api/v1/hosts': ['', 'brief=true', 'limit=1', 'contains=WEB', 'host=web-01'],
  '/api/v1/hosts/{host}/metrics': [
    ...['', ...HISTORY, 'field=usage_user,usage_system&tag=cpu%3Dcpu-total'],
    'measurement=mem&field=large&aggregate=last',
  ],
  '/api/v1/fabrics/cells': ['', 'by=rate', 'metric=state', 'fabric=default'],
  '/api/v1/switches': ['', 'metric=latency_ms', 'limit=2', 'limit=2&after=sw2', 'fabric=default'],
  '/api/v1/switches/{id}/metrics': ['', ...HISTORY, 'field=packet_errors&fabric=default'],
  '/api/v1/gpus': ['', 'fields=uuid', 'limit=1', 'host=web-01&namespace=ml&contains=gpu-1'],
  '/api/v1/gpus/{id}/metrics': [
    ...['field=utilization_percent', 'measurement=gpu&field=utilization_percent,xid&names=dcgm'],
    ...HISTORY.map((query) => `field=power_watts&${query}`),
    'metric=DCGM_FI_DEV_FB_USED,DCGM_FI_DEV_GPU_UTIL_RATIO,temperature_celsius&aggregate=p90',
  ],
  '/api/v1/gpus/{id}/telemetry': [
    ...['', 'metric=DCGM_FI_DEV_FB_USED', 'metric=DCGM_FI_DEV_FB_USED_BYTES', 'names=dcgm', 'limit=3'],
    'start=-1m&end=now',
    'start_time=2025-11-23T00:00:00Z&end_time=2025-11-23T01:00:00Z&hostname=web-01',
  ],
  '/api/v1/events': ['host=web-01', 'gpu=GPU-1&kind=xid', 'switch=0002c903000e0b72_7', 'host=web-01&limit=1&start=-1m'],
  '/api/v1/query/export': [
    ...['', 'format=lp', 'format=parquet', 'format=csv&measurement=gpu&field=xid&start=-1m&end=now'],
    ...['format=lp&measurement=mem', 'format=csv&tag=cpu%3Dcpu-total'],
  ],
  '/telemetry/GetMetric': [
    'metric=latency_ms',
    'metric=state',
    'metric_name=latency_ms',
    'switch_id=SW2&metric=latency_ms',
  ],
  '/telemetry/ListMetrics': [
    ...['', 'shape=object', 'switch_id=sw1&switch_id=sw3&metric=state', 'limit=2'],
    'updated_since=2025-11-23T00:00:01Z',
  ],
  '/telemetry/top': ['', 'by=rate', 'metric=packet_errors&limit=2'],
}

/** Queries of right questions: a parameter in them takes the place of the usual one. */
export function rightQueries(path: string): readonly string[] {
  return QUERIES[path] ?? ['']
}

/** Members of answers that nothing gives in an API of `openStoredScene`, because nothing is wrong there, or there is no end. */
const NEVER_SEEN = [
  '/ready .reasons',
  '/api/v1/whoami .endsAt',
  '/api/v1/hosts .hosts[].conflict',
  '/api/v1/queue .reason',
]

/** Asks endpoints every right question, and expects a good answer, with something in each list and figure that the answer has. */
export async function expectRightAnswers(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint, request: InjectOptions) => Promise<LightMyRequestResponse>,
  { storeHasParquet = true } = {},
): Promise<void> {
  for (const endpoint of endpoints) {
    const answers: unknown[] = []
    for (const query of rightQueries(endpoint.path)) {
      const { statusCode, headers, body } = await ask(endpoint, requestTo(endpoint, query))
      if (query.includes('parquet') && !storeHasParquet) {
        expect([query, statusCode]).toEqual([query, 501])
        continue
      }
      expect(statusCode, `${endpoint.path} ${query} ${body}`).toBeLessThan(300)
      const type = String(headers['content-type'])
      if (type.includes('json') && body !== '') answers.push(JSON.parse(body))
      if (endpoint.path.endsWith('/export')) expectFile(query, body)
    }
    const empty = unseen(answers).map((path) => `${endpoint.path} ${path}`)
    expect(empty).toEqual(NEVER_SEEN.filter((path) => path.startsWith(`${endpoint.path} `)))
  }
}

/** Each of the seconds has a line. */
function expectFile(query: string, body: string): void {
  if (query.includes('parquet')) expect([body.slice(0, 4), body.slice(-4)]).toEqual(['PAR1', 'PAR1'])
  else expect(body.split('\n').length, query).toBeGreaterThan(SAMPLES)
}

/** Lists that are empty, and figures that are unknown, in every one of these answers: nothing holds those against their schemas. */
function unseen(answers: readonly unknown[]): string[] {
  const [seen, all] = [new Set<string>(), new Set<string>()]
  const look = (value: unknown, path: string): void => {
    all.add(path)
    if (Array.isArray(value) ? value.length > 0 : value !== null) seen.add(path)
    if (Array.isArray(value)) for (const each of value) look(each, `${path}[]`)
    else if (typeof value === 'object' && value !== null)
      for (const [name, each] of Object.entries(value)) look(each, `${path}.${name}`)
  }
  for (const answer of answers) look(answer, '')
  return [...all].filter((path) => !seen.has(path)).sort()
}

const CSV_HEAD = 'timestamp,metric_name,gpu_id,device,uuid,modelName,Hostname,container,pod,namespace,value,labels_raw'
/** What the endpoints that take something take. */
const BODIES: Readonly<Record<string, string | Buffer>> = {
  '/telemetry/counters': 'switch_id,latency_ms\nsw1,1\n',
  '/telemetry': JSON.stringify({ metric: 'temperature', value: 75.5, uuid: 'GPU-1', gpu_id: '0', hostname: 'a' }),
  '/api/v1/ingest/csv': `${CSV_HEAD}\n2026-01-01T00:00:00Z,DCGM_FI_DEV_GPU_UTIL,0,nvidia0,GPU-1,H100,a,,,,45,\n`,
  '/api/v1/prom/write': packSnappy(
    packedSeries([{ labels: [['__name__', 'up']], samples: [[1, Date.now()]], histograms: 0, exemplars: 0 }], '1.0'),
  ),
}

/** What is wrong with a request: the value of one parameter. */
export interface Wrong {
  readonly parameter: string
  readonly value: string
}

/** A right request to an endpoint, but for what is said. @param query one of `rightQueries` */
export function requestTo(endpoint: Endpoint, query = rightQueries(endpoint.path)[0]!, wrong?: Wrong): InjectOptions {
  const { method, path, operation, isStream } = endpoint
  const asked = new URLSearchParams(query)
  let url = path
  const [type = 'text/plain'] = Object.keys(operation.requestBody?.content ?? {})
  const headers: Record<string, string> = method === 'POST' ? { 'content-type': type } : {}
  for (const { name, required, in: place } of operation.parameters ?? []) {
    const isWrong = name === wrong?.parameter
    if (!isWrong && (required !== true || asked.has(name))) continue
    const value = isWrong ? wrong.value : rightValue(path, name)
    if (place === 'path') url = url.replace(`{${name}}`, encodeURIComponent(value))
    else if (place === 'query') asked.set(name, value)
    // Node.js itself refuses to send others.
    else headers[name] = value.replace(/[^\x20-\x7e]/g, '?')
  }
  return {
    // A stream has no end: its head is asked for.
    method: isStream ? 'HEAD' : method,
    url: asked.size === 0 ? url : `${url}?${asked}`,
    headers,
    ...(method === 'POST' ? { payload: BODIES[path] ?? 'm v=1' } : {}),
  }
}
