import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../test/support/servers.ts'
import { startTemplatesInflux, type TemplatesInflux } from '../../../test/support/templates-influx.ts'
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
    expect(all.find(({ kind }) => kind === 'Variable')?.spec.name).toBe('host')
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

async function startFake(version?: string): Promise<TemplatesInflux> {
  const influx = await startTemplatesInflux(version)
  open.push(influx)
  return influx
}

describe('applyDashboards', () => {
  const signal = new AbortController().signal
  const apply = (
    url: string,
    changes: { token?: string; org?: string; templateText?: string } = {},
  ): Promise<AppliedDashboards> =>
    applyDashboards({ url, token: 'right', org: 'sentinel', bucket: 'metrics', templateText, signal, ...changes })

  it('creates the dashboards the first time, and updates them afterwards', async () => {
    const influx = await startFake()
    const first = await apply(influx.url)
    expect(first).toEqual({
      stackId: 'stack1',
      action: 'created',
      dashboards: [
        { name: 'SentinelStream host', url: `${influx.url}/orgs/fcef2b019e669307/dashboards/id1` },
        { name: 'SentinelStream hosts', url: `${influx.url}/orgs/fcef2b019e669307/dashboards/id2` },
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

  it.each([
    ['1.6.7~rc0', 'this is 1.6.7~rc0'],
    ['3.0.1', 'this is 3.0.1'],
    ['', 'this is another server'],
  ])('says that version "%s" has no dashboards', async (version, words) => {
    const influx = await startFake(version)
    await expect(apply(influx.url)).rejects.toMatchObject({
      kind: 'refused',
      message: `InfluxDB at ${influx.url} has no dashboards of its own: they need InfluxDB 2.x, ${words}`,
    })
    expect(influx.paths).toEqual(['GET /ping'])
  })

  it('says what is wrong', async () => {
    const influx = await startFake()
    const wrong = apply(influx.url, { token: 'wrong-secret' })
    await expect(wrong).rejects.toThrow(/answers 401 unauthorized access: INFLUX_TOKEN must be an all-access token/)
    await expect(wrong).rejects.not.toThrow(/wrong-secret/)
    await expect(apply(influx.url, { org: 'nope' })).rejects.toThrow(/answers 404 organization name "nope" not found/)
    await expect(apply(influx.url, { templateText: 'a: [' })).rejects.toThrow(/the template is not YAML/)
    await expect(apply(`http://127.0.0.1:${await freePort()}`)).rejects.toMatchObject({ kind: 'away' })
  })
})
