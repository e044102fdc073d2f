import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort, startSilentServer } from '../../../test/support/servers.ts'
import {
  startTemplatesInflux,
  type TemplatesInflux,
  type TemplatesInfluxOptions,
} from '../../../test/support/templates-influx.ts'
import { type AppliedDashboards, applyDashboards, readTemplate } from './dashboards.ts'

const templateText = readFileSync(new URL('../../../deploy/influxdb/template.yml', import.meta.url), 'utf8')

interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly name: string
    readonly query?: string
    readonly charts?: Chart[]
    readonly associations?: Array<{ kind: string; name: string }>
  }
}

interface Chart {
  readonly kind: string
  readonly name: string
  readonly xPos: number
  readonly yPos: number
  readonly width: number
  readonly height: number
  readonly geom?: string
  readonly position?: string
  readonly axes?: Array<{ name: string }>
  readonly colors: Array<{ type: string; hex: string }>
  readonly queries: Array<{ query: string }>
}

function resources(bucket = 'telemetry'): Resource[] {
  return readTemplate(templateText, bucket) as Resource[]
}

const dashboards = resources().filter(({ kind }) => kind === 'Dashboard')
const charts = dashboards.flatMap(({ spec }) =>
  (spec.charts ?? []).map((chart) => [`${spec.name}: ${chart.name}`, chart] as const),
)

describe('the template', () => {
  it('has a label, a variable and dashboards with different names', () => {
    const all = resources()
    expect(all.map(({ kind }) => kind)).toEqual(['Label', 'Variable', 'Dashboard', 'Dashboard'])
    expect(new Set(all.map(({ metadata }) => metadata.name)).size).toBe(all.length)
    for (const { apiVersion, metadata } of all) {
      expect(apiVersion).toBe('influxdata.com/v2alpha1')
      expect(metadata.name).toMatch(/^[a-z][a-z0-9-]*$/)
    }
    const [label] = all
    for (const { spec } of dashboards)
      expect(spec.associations).toEqual([{ kind: 'Label', name: label?.metadata.name }])
    expect(all.find(({ kind }) => kind === 'Variable')?.spec.name).toBe('sentinel_host')
  })

  it('shows CPU, memory, disk and network', () => {
    const measured = new Set(
      charts.flatMap(([, { queries }]) =>
        [...queries[0]!.query.matchAll(/r\._measurement == "(\w+)"/g)].map((match) => match[1]),
      ),
    )
    expect(measured).toEqual(new Set(['cpu', 'mem', 'swap', 'disk', 'net', 'system']))
  })

  it.each(dashboards.map(({ spec }) => [spec.name, spec.charts ?? []] as const))(
    '%s: no two cells overlap, and none is wider than the page',
    (_name, cells) => {
      const taken = new Set<string>()
      for (const { xPos, yPos, width, height } of cells) {
        expect(xPos + width).toBeLessThanOrEqual(12)
        for (let x = xPos; x < xPos + width; x++) {
          for (let y = yPos; y < yPos + height; y++) {
            expect(taken.has(`${x} ${y}`)).toBe(false)
            taken.add(`${x} ${y}`)
          }
        }
      }
    },
  )

  it.each(charts)('%s', (_name, chart) => {
    expect(['Xy', 'Single_Stat']).toContain(chart.kind)
    if (chart.kind === 'Xy') {
      expect(chart.axes?.map(({ name }) => name)).toEqual(['x', 'y'])
      expect([chart.geom, ['overlaid', 'stacked'].includes(chart.position ?? '')]).toEqual(['line', true])
    }
    for (const { type, hex } of chart.colors) {
      expect(type).toBe(chart.kind === 'Xy' ? 'scale' : 'text')
      expect(hex).toMatch(/^#[0-9A-F]{6}$/)
    }
    for (const { query } of chart.queries) {
      // InfluxDB checks Flux only when it shows a cell, so this test checks the outline.
      const [first, second, ...steps] = query.replace('import "date"\n\n', '').split('\n')
      expect(first).toBe('from(bucket: "telemetry")')
      expect(second).toMatch(
        /^ {2}\|> range\(start: (v\.timeRangeStart, stop: v\.timeRangeStop|date\.sub\(from: v\.timeRangeStart, d: 2m\), stop: v\.timeRangeStop|-5m)\)$/,
      )
      expect(steps.length).toBeGreaterThan(1)
      for (const step of steps)
        expect(step).toMatch(/^ {2}\|> (filter|aggregateWindow|derivative|group|last|max|map|range|sort|sum)\(.*\)$/)
      const bare = query.replace(/"[^"]*"/g, '""')
      for (const [open, close] of ['()', '{}', '[]']) {
        expect(bare.split(open!).length).toBe(bare.split(close!).length)
      }
      if (second?.includes('v.timeRangeStart')) expect(query).toContain('every: v.windowPeriod')
    }
  })

  it('leaves out the interfaces that stand on others where it adds up traffic', () => {
    const sums = charts.filter(([, { queries }]) => /"net".*\n[\s\S]*\|> sum\(/.test(queries[0]!.query))
    expect(sums.map(([name]) => name)).toEqual(['SentinelStream hosts: Network, by host'])
    for (const [, { queries }] of sums) expect(queries[0]!.query).toContain('and not exists r.stacked)')
  })

  it('shows the fullest of the disks that were measured last, none that was unmounted', () => {
    const [, { queries }] = charts.find(([name]) => name === 'SentinelStream host: Fullest disk now')!
    // One row a disk, the fullest of each moment, the newest of these.
    const steps = ['last()', 'group(columns: ["_time"])', 'max()', 'group()', 'sort(columns: ["_time"])', 'last()']
    expect(queries[0]!.query.trim().split('\n').slice(-steps.length)).toEqual(steps.map((step) => `  |> ${step}`))
  })

  it('reads from the configured bucket, with any name', () => {
    const queries = (bucket: string): string[] => {
      const found = resources(bucket).flatMap(({ spec }) => [
        spec.query,
        ...(spec.charts ?? []).flatMap((chart) => chart.queries.map(({ query }) => query)),
      ])
      return found.filter((query) => query !== undefined)
    }
    const [dollar, brace] = ['$', '{']
    for (const query of queries(`a "b" \\ ${dollar}${brace}c} $&`)) {
      expect(query).toContain(`bucket: "a \\"b\\" \\\\ \\${dollar}${brace}c} $&"`)
      expect(query).not.toContain('telemetry')
    }
  })
})

const open: TemplatesInflux[] = []
afterEach(async () => {
  for (const influx of open.splice(0)) await influx.stop()
})

async function startFake(options: TemplatesInfluxOptions = {}): Promise<TemplatesInflux> {
  const influx = await startTemplatesInflux(options)
  open.push(influx)
  return influx
}

describe('applyDashboards', () => {
  const signal = new AbortController().signal
  const apply = (
    url: string,
    { token = 'right', ...changes }: { token?: string; org?: string; bucket?: string; templateText?: string } = {},
  ): Promise<AppliedDashboards> =>
    applyDashboards({
      ...{ server: { url, token: () => token }, org: 'sentinel', bucket: 'metrics', templateText, signal },
      ...changes,
    })

  it('creates the dashboards the first time, and updates them afterwards', async () => {
    const influx = await startFake()
    const first = await apply(influx.url)
    // Their ids are numbers beyond 2^53 in the answer.
    const ids = [...influx.dashboards.keys()]
    expect(ids).toHaveLength(2)
    for (const id of ids) expect(id).toMatch(/^1[0-9a-f]{15}$/)
    expect(first).toEqual({
      stackId: 'stack1',
      action: 'created',
      dashboards: [
        { name: 'SentinelStream host', url: `${influx.url}/orgs/fcef2b019e669307/dashboards/${ids[0]}` },
        { name: 'SentinelStream hosts', url: `${influx.url}/orgs/fcef2b019e669307/dashboards/${ids[1]}` },
      ],
    })
    expect(await apply(influx.url)).toEqual({ ...first, action: 'updated' })
    expect(influx.dashboards.size).toBe(2)
  })

  it('creates them again after somebody has uninstalled them', async () => {
    const influx = await startFake()
    await apply(influx.url)
    influx.uninstall()
    expect(await apply(influx.url)).toMatchObject({ stackId: 'stack2', action: 'created' })
  })

  describe('the variable "host"', () => {
    const theirs = { name: 'host', createdAt: '2025-01-01T00:00:00Z', arguments: { type: 'constant', values: ['a'] } }
    const query = 'import "influxdata/influxdb/schema"\nschema.tagValues(bucket: "metrics", tag: "host")'
    const ours = { ...theirs, arguments: { type: 'query', values: { language: 'flux', query } } }
    const names = (influx: TemplatesInflux): string[] => [...influx.variables.values()].map(({ name }) => name).sort()

    it('of a user stays as it is', async () => {
      const influx = await startFake()
      influx.variables.set('0a', theirs)
      await apply(influx.url)
      await apply(influx.url)
      expect(names(influx)).toEqual(['host', 'sentinel_host'])
      expect(influx.variables.get('0a')).toEqual(theirs)
    })

    it.each([
      ['that the older template made is deleted', { ...ours, createdAt: '2099-01-01T00:00:00Z' }, false],
      ['that the older template took over from a user stays', ours, true],
      ['that a user has changed since stays', { ...theirs, createdAt: '2099-01-01T00:00:00Z' }, true],
    ])('%s', async (_name, variable, stays) => {
      const influx = await startFake()
      await apply(influx.url)
      influx.variables.set('0a', variable)
      influx.adopt('host-variable', '0a')
      await apply(influx.url)
      await apply(influx.url)
      expect(names(influx)).toEqual(stays ? ['host', 'sentinel_host'] : ['sentinel_host'])
      const host = [...influx.variables.values()].find(({ name }) => name === 'host')
      expect(host?.arguments).toEqual(stays ? variable.arguments : undefined)
    })
  })

  it.each([
    ['1.6.7~rc0', 'this is 1.6.7~rc0'],
    ['3.0.1', 'this is 3.0.1'],
    ['', 'this is another server'],
  ])('says that version "%s" has no dashboards', async (version, words) => {
    const influx = await startFake({ version })
    await expect(apply(influx.url)).rejects.toMatchObject({
      kind: 'refused',
      message: `InfluxDB at ${influx.url} has no dashboards of its own: they need InfluxDB 2.x, ${words}`,
    })
    expect(influx.paths).toEqual(['GET /ping'])
  })

  it('takes organisation and bucket by their ids', async () => {
    const influx = await startFake()
    const { dashboards: byId } = await apply(influx.url, { org: 'fcef2b019e669307', bucket: '0c1d2e3f40516273' })
    expect(byId[0]?.url).toContain('/orgs/fcef2b019e669307/dashboards/')
    expect(JSON.stringify([...influx.variables.values()])).toContain('bucket: \\"metrics\\"')
  })

  it.each([
    ['a wrong token', { token: 'wrong-secret' }, /answers 401 unauthorized access: INFLUX_TOKEN must be an all-access/],
    ['a token for buckets alone', { token: 'buckets' }, /shows no organisation "sentinel" to this token; INFLUX_TOKEN must be an all-access token of the organisation; one for buckets alone/], // biome-ignore format: one line per case
    ['an unknown organisation', { org: 'nope' }, /shows no organisation "nope" to this token; it shows "sentinel": correct INFLUX_ORG/], // biome-ignore format: one line per case
    ['an unknown id of an organisation', { org: '0123456789abcdef' }, /shows no organisation "0123456789abcdef"/],
    [
      'an unknown bucket',
      { bucket: 'nope' },
      /shows no bucket "nope" to this token: create it, or correct INFLUX_BUCKET/,
    ],
    ['an unknown id of a bucket', { bucket: '0123456789abcdef' }, /shows no bucket "0123456789abcdef"/],
    ['no organisation', { org: '' }, /is asked for no organisation: set INFLUX_ORG/],
    ['a template that is no YAML', { templateText: 'a: [' }, /the template is not YAML/],
  ])('says what is wrong: %s', async (_name, changes, words) => {
    const influx = await startFake()
    await expect(apply(influx.url, changes)).rejects.toMatchObject({ message: expect.stringMatching(words) })
    await expect(apply(influx.url, changes)).rejects.not.toThrow(/wrong-secret/)
    expect(influx.dashboards.size).toBe(0)
  })

  it('says what is wrong: a server that nobody has set up, and no server', async () => {
    const influx = await startFake({ isSetUp: false })
    await expect(apply(influx.url)).rejects.toThrow(/it is not set up yet: open its URL in a browser/)
    await expect(apply(`http://127.0.0.1:${await freePort()}`)).rejects.toMatchObject({ kind: 'away' })
  })

  it('says what is wrong: a server that never answers', async () => {
    const silent = await startSilentServer()
    const server = { url: `http://${silent.address}`, token: () => 'right', answerTimeoutMs: 50 }
    const applied = applyDashboards({ server, org: 'sentinel', bucket: 'metrics', templateText, signal })
    await expect(applied).rejects.toMatchObject({
      kind: 'away',
      message: expect.stringContaining('no answer within 50 ms'),
    })
    await silent.stop()
  })

  it('reads the token again after a refusal', async () => {
    const influx = await startFake()
    const tokens = ['old', 'right']
    const server = { url: influx.url, token: () => tokens.shift() ?? 'right' }
    const request = { server, org: 'sentinel', bucket: 'metrics', templateText, signal }
    expect(await applyDashboards(request)).toMatchObject({ action: 'created' })
  })
})
