import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exampleReport, exampleReportWithProfiles } from '../../test/support/example-report.ts'
import type { PageData as DrawnData } from '../page/data.ts'
import { pageData } from './page-data.ts'
import type { Pass, Report } from './report.ts'
import { fill, writeReport } from './write.ts'

const NO_FLAMES = [0, 1, 2].map(() => ({ cpu: undefined, allocations: undefined }))
const TEMPLATE = '<p>before</p><script type="application/json" id="data">null</script><script>1</script>'

/** One pass of two seconds with histograms of two values, short enough to read. */
function shortened(report: Report): Report {
  const [first] = report.passes
  const load = JSON.parse(JSON.stringify(first!.load), (name, value) => {
    if (name === 'timeline') return value.slice(0, 2)
    return value?.buckets === undefined
      ? value
      : {
          count: 3,
          sum: 40,
          max: 20,
          buckets: [
            [10, 2],
            [20, 1],
          ],
        }
  }) as Pass['load']
  return { ...report, passes: [{ ...first!, load }] }
}

/** What a browser would hand to the script of the page. */
function dataIn(html: string): unknown {
  return JSON.parse(/id="data">(.*?)<\/script>/s.exec(html)![1]!)
}

describe('fill', () => {
  it.each(['</script><script>alert(1)</script>', '<!--<script>', "$& $' $1", '"\u2028\\u003c'])(
    'keeps %s a text',
    (hostile) => {
      const html = fill(TEMPLATE, { [hostile]: hostile })
      expect(dataIn(html)).toEqual({ [hostile]: hostile })
      expect(html.match(/<\/?script/g)).toHaveLength(4)
    },
  )
})

describe('pageData', () => {
  it('has the shape that the page expects', () => {
    const drawn: DrawnData = pageData(exampleReport(), NO_FLAMES)
    expect(drawn.groups[0]!.passes.map(({ name }) => name)).toEqual(['plain, json', 'ours, json', 'ours, packed'])
  })

  it('groups the passes of one condition', () => {
    const report = exampleReport()
    const passes = report.passes.flatMap((pass) => [{ ...pass, condition: 'at 5 messages/s' }, pass])
    const { groups } = pageData({ ...report, passes }, [...NO_FLAMES, ...NO_FLAMES])
    expect(groups.map(({ condition }) => condition)).toEqual(['at 5 messages/s', 'as fast as it can'])
    for (const group of groups)
      expect(group.passes.map(({ name }) => name)).toEqual(report.passes.map(({ name }) => name))
  })

  it('makes rates of the timeline', () => {
    const report = exampleReport()
    const [first] = report.passes
    const timeline = [
      { ...first!.load.timeline[0]!, atMs: 1_000, sent: 100, written: 900 },
      { ...first!.load.timeline[0]!, atMs: 3_000, sent: 300, written: 2_900 },
    ]
    const load = { ...first!.load, messages: 400, samples: 4_000, timeline }
    const { passes } = pageData({ ...report, passes: [{ ...first!, load }] }, NO_FLAMES).groups[0]!
    expect(passes[0]!.timeline).toMatchObject({
      seconds: [1, 3],
      sentPerSecond: [1_000, 1_000],
      writtenPerSecond: [900, 1_000],
    })
  })

  it('is made of a load that sent nothing and had no servers', () => {
    const report = exampleReport()
    const [first] = report.passes
    const load = { ...first!.load, messages: 0, samples: 0, servers: undefined }
    const { passes, latencies } = pageData({ ...report, passes: [{ ...first!, load }] }, NO_FLAMES).groups[0]!
    expect(passes[0]!.timeline.sentPerSecond.every((rate) => rate === 0)).toBe(true)
    expect(latencies[0]!.curves[0]!.every((us) => us === null)).toBe(true)
  })

  it.each<[Partial<Report>, string, string]>([
    [{ commit: undefined }, 'commit', 'unknown: not run from a checkout'],
    [{}, 'commit', '0123456789ab, and the tree had changes'],
    [{ commit: { hash: 'ab'.repeat(20), changed: false } }, 'commit', 'abababababab'],
    [{}, 'servers run as', 'processes of the machine'],
    [{ stack: { kind: 'compose', versions: {}, notes: [] } }, 'servers run as', 'containers (Docker Compose)'],
  ])('says of %o: %s %s', (change, name, value) => {
    const { origin } = pageData({ ...exampleReport(), ...change }, NO_FLAMES)
    expect(origin.flatMap(({ entries }) => entries)).toContainEqual([name, value])
  })
})

describe('writeReport', () => {
  let folder: string
  let template: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-'))
    template = join(folder, 'template.html')
    await writeFile(template, TEMPLATE)
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('writes the same JSON as the stored file', async () => {
    const { json } = await writeReport(shortened(exampleReport()), folder, template)
    await expect(await readFile(json, 'utf8')).toMatchFileSnapshot('testdata/report.json.golden')
  })

  it('writes everything of the report, with paths that are true where it lies', async () => {
    const example = await exampleReportWithProfiles(join(folder, 'profiles'))
    const written = (name: string): string => join(folder, name)
    const histograms = {
      log: written('a.hlog'),
      internal: written('i.hgrm'),
      e2e: written('e.hgrm'),
      durable: written('d.hgrm'),
    }
    const report = { ...example, passes: example.passes.map((pass) => ({ ...pass, histograms })) }
    const { json } = await writeReport(report, folder, template)
    const passes = report.passes.map((pass, i) => ({
      ...pass,
      profiles: { cpu: `profiles/cpu-${i}.pb.gz`, heap: [`profiles/heap-${i}.pb.gz`] },
      histograms: { log: 'a.hlog', internal: 'i.hgrm', e2e: 'e.hgrm', durable: 'd.hgrm' },
    }))
    expect(JSON.parse(await readFile(json, 'utf8'))).toEqual({ ...report, passes })
  })

  it('shows no secret, and ends no element of the page', async () => {
    const hostile = '</script><img src=x onerror=alert(1)>'
    const settings = { redis: 'redis://app:hunter2@db', 'influx.token': 'hunter2', note: hostile }
    const { html, json } = await writeReport(
      { ...exampleReport(), command: 'INFLUX_TOKEN=hunter2 x', settings },
      folder,
      template,
    )
    for (const path of [html, json]) expect(await readFile(path, 'utf8')).not.toContain('hunter2')
    const page = await readFile(html, 'utf8')
    expect(page).not.toContain(hostile)
    expect(JSON.stringify(dataIn(page))).toContain(hostile)
  })

  it('fails on a missing profile, after it has written the JSON', async () => {
    const report = exampleReport()
    const [first] = report.passes
    const profiles = { cpu: join(folder, 'missing.pb.gz'), heap: [] }
    await expect(writeReport({ ...report, passes: [{ ...first!, profiles }] }, folder, template)).rejects.toThrow(
      'ENOENT',
    )
    expect(JSON.parse(await readFile(join(folder, 'report.json'), 'utf8'))).toMatchObject({ version: 1 })
  })
})
