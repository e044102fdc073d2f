import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allSettings } from '../../internal/config/settings.ts'
import { statsLine } from '../../internal/observe/latency.ts'
import { REJECT_REASONS } from '../../internal/sample/border.ts'
import { DROP_REASONS } from '../../internal/sample/ledger.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import { HostSource } from '../../internal/source/host/source.ts'
import { LEFT_OUT_REASONS } from '../../internal/source/left-out.ts'
import { ApiClient, metric } from '../support/api.ts'
import { influxQuery } from '../support/influx.ts'
import { type Program, startProgram } from '../support/programs.ts'
import { publishRaw } from '../support/raw-redis.ts'
import { freePort, startInflux, startRedis, type TestServer, until } from '../support/servers.ts'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8')

/** The text below a heading, down to the next one of its level or above. */
function section(heading: string): string {
  const level = heading.indexOf(' ')
  const [, text = ''] = page.split(`\n${heading}\n`)
  return text.split(new RegExp(`\n#{1,${level}} `))[0]!
}

/** The rows of the tables in a text, each as its cells; a name without its backticks. */
function rows(text: string): string[][] {
  return [...text.matchAll(/^\| (`.*)\|$/gm)].map(([, row]) =>
    row!.split('|').map((cell) => cell.trim().replace(/^`(\w+)`$/, '$1')),
  )
}

const names = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name!)

interface Described {
  readonly type: string
  readonly label: string
}

/** The metrics that the page gives a role. */
function describedFor(role: string): Map<string, Described> {
  const described = new Map<string, Described>()
  for (const part of section('## Prometheus metrics').split('\n### ').slice(1)) {
    const [, roles = ''] = /^In: (.*)$/m.exec(part) ?? []
    if (!names(roles).includes(role)) continue
    for (const [name, type, label] of rows(part)) described.set(name!, { type: type!, label: label! })
  }
  return described
}

interface Scraped {
  readonly types: Record<string, string>
  /** `metric label` */
  readonly labels: Set<string>
}

async function scrape(url: string): Promise<Scraped> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const types = Object.fromEntries([...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]))
  const labels = new Set<string>()
  for (const [, name, inside] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm)) {
    const metricName = name! in types ? name! : name!.replace(/_(bucket|sum|count)$/, '')
    for (const [, label] of inside!.matchAll(/(\w+)="/g)) if (label !== 'le') labels.add(`${metricName} ${label}`)
  }
  return { types, labels }
}

/** What the page says of a measurement: its tags and its fields by name. */
function describedOf(heading: string): Record<string, string> {
  return Object.fromEntries(rows(section(heading)).map(([name, kind]) => [name, kind]))
}

describe('docs/metrics.md is true of the running programs', () => {
  let redis: TestServer
  let influx: TestServer
  let folder: string
  let api: ApiClient
  const programs: Program[] = []
  const urls = new Map<string, string>()

  beforeAll(async () => {
    ;[redis, influx] = await Promise.all([startRedis(), startInflux()])
    folder = await mkdtemp(join(tmpdir(), 'sentinel-docs-'))
    const apiPort = await freePort()
    api = new ApiClient(apiPort)
    const start = async (role: string, env: Record<string, string>, ...args: string[]): Promise<void> => {
      const port = await freePort()
      urls.set(role, `http://127.0.0.1:${port}`)
      programs.push(startProgram('sentinel', { env, cwd: folder, args: [role, `--admin-port=${port}`, ...args] }))
    }
    await writeFile(join(folder, 'fabric.csv'), 'switch_id,latency_ms\nsw1,0.5\n')
    const env = { REDIS_URL: redis.url, INFLUX_URL: influx.url }
    await start('server', env)
    const scrapes = `--scrape-targets=${urls.get('server')}/metrics`
    await writeFile(join(folder, 'gpus.csv'), 'time,metric,uuid,value\n0,DCGM_FI_DEV_GPU_UTIL,GPU-1,5\n')
    const gpus = [`--gpu=${join(folder, 'gpus.csv')}`, '--gpu-nvidia-smi', '--gpu-nvidia-smi-path=/nowhere/nvidia-smi']
    await start('agent', env, `--fabric-targets=${join(folder, 'fabric.csv')}`, scrapes, ...gpus)
    await start('api', env, `--api-port=${apiPort}`)
    await start(
      'up',
      {},
      '--api-port=0',
      '--fabric',
      '--generator-port=0',
      '--generator-push=http://127.0.0.1:9/',
      scrapes,
      ...gpus,
    )
    await start('generator', {}, '--port=0', '--push=http://127.0.0.1:9/')
    await start('queue', env, '--queue-port=0')
    await api.firstHost()
    await Promise.all([3, 4, 5].map((i) => programs[i]!.logged('started')))
    await Promise.all([1, 3].map((i) => programs[i]!.logged('fabric cycle')))
  })
  afterAll(async () => {
    await Promise.all(programs.map((program) => program.stop()))
    await Promise.all([redis?.stop(), influx?.stop(), rm(folder, { recursive: true, force: true })])
  })

  it.each(['agent', 'server', 'api', 'up', 'generator', 'queue'])(
    'names the metrics of %s, each with its type and label',
    async (role) => {
      const described = describedFor(role)
      const url = urls.get(role)!
      if (role === 'server') {
        await publishRaw(redis.port, 'metrics', [Buffer.from('rubbish')])
        await until('it is rejected', async () => (await metric(url, 'sentinel_rejected_samples_total')) > 0)
      }
      const { types, labels } = await scrape(url)
      expect(types).toEqual(Object.fromEntries(Array.from(described, ([name, { type }]) => [name, type])))
      const onPage = Array.from(described, ([name, { label }]) => `${name} ${label}`)
      expect(onPage).toEqual(expect.arrayContaining([...labels]))
      // What has no reason, measurement, fabric or certificate yet has no label yet, and pubsub has no backlog.
      const expected = onPage.filter((pair) => !/ (reason|partition|runs|measurement|fabric|of)?$/.test(pair))
      expect([...labels]).toEqual(expect.arrayContaining(expected))
    },
  )

  it('names what a server of streams says of each partition', async () => {
    const port = await freePort()
    const args = ['server', `--admin-port=${port}`, '--broker-kind=streams', '--broker-consumer=streams']
    programs.push(
      startProgram('sentinel', { env: { REDIS_URL: redis.url, INFLUX_URL: influx.url }, cwd: folder, args }),
    )
    const onPage = Array.from(describedFor('server'), ([name, { label }]) => `${name} ${label}`)
    const expected = onPage.filter((pair) => pair.endsWith(' partition'))
    let labels: string[] = []
    await until('it has asked Redis', async () => {
      labels = [...(await scrape(`http://127.0.0.1:${port}`).catch(() => ({ labels: [] }))).labels]
      return labels.includes(expected[0]!)
    })
    expect(labels).toEqual(expect.arrayContaining(expected))
  })

  it('says how the ledgers balance, and they do in every scrape', async () => {
    const [agent, server] = await Promise.all(['agent', 'server'].map((role) => values(urls.get(role)!)))
    expect(agent!('produced_samples_total')).toBeGreaterThan(0)
    expect(agent!('produced_samples_total')).toBe(
      agent!('sent_samples_total') + agent!('unsent_samples_total') + agent!('outbox_samples'),
    )
    expect(server!('received_samples_total')).toBeGreaterThan(0)
    expect(server!('received_samples_total') + server!('taken_over_samples_total')).toBe(
      server!('written_samples_total') +
        server!('rejected_samples_total') +
        server!('dropped_samples_total') +
        server!('held_samples'),
    )
  })

  it('names the tags and fields of sentinel_pipeline by role, each with its kind', async () => {
    const described = rows(section('## sentinel_pipeline'))
    const fieldsOf = (role: string): string[] =>
      described.filter(([, kind, roles]) => kind !== 'tag' && roles!.split(', ').includes(role)).map(([name]) => name!)
    await until('every role has told all its figures', async () => {
      const samples = await api.live((seen) => seen.length > 0, '?measurement=sentinel_pipeline')
      return ['agent', 'server', 'api'].every((role) => {
        const sample = samples.find(({ tags }) => tags.role === role)
        return sample !== undefined && Object.keys(sample.fields).toSorted().join() === fieldsOf(role).toSorted().join()
      })
    })
    const kinds: Record<string, string> = { float: 'float', integer: 'int', string: 'string', boolean: 'bool' }
    const keys = (): Promise<Array<Record<string, unknown>>> =>
      influxQuery(influx.url, 'telemetry', 'SHOW FIELD KEYS FROM sentinel_pipeline')
    await until('all are stored', async () => (await keys()).some(({ fieldKey }) => fieldKey === 'durable_p99_us'))
    const stored = await keys()
    const tags = await influxQuery(influx.url, 'telemetry', 'SHOW TAG KEYS FROM sentinel_pipeline')
    expect(describedOf('## sentinel_pipeline')).toEqual({
      ...Object.fromEntries(tags.map(({ tagKey }) => [tagKey, 'tag'])),
      ...Object.fromEntries(stored.map(({ fieldKey, fieldType }) => [fieldKey, kinds[String(fieldType)]])),
    })
  })

  it('names what the agent of this machine sends, and more only where this machine has less', async () => {
    const seen = new Map<string, Set<string>>()
    await api.live((samples) => {
      for (const { measurement, tags, fields } of samples) {
        const all = seen.get(measurement) ?? new Set<string>()
        for (const name of [...Object.keys(tags), ...Object.keys(fields)]) all.add(name)
        seen.set(measurement, all)
      }
      return seen.has('cpu') && seen.has('disk')
    })
    seen.delete('sentinel_pipeline')
    // Named by whoever is scraped.
    seen.delete('prometheus')
    for (const [measurement, all] of seen) {
      const described = ['host', ...Object.keys(describedOf(`### \`${measurement}\``))]
      expect([measurement, [...all].filter((name) => !described.includes(name))]).toEqual([measurement, []])
    }
  })
})

/** One scrape, as a way to look up its sums over all labels. */
async function values(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return (name) =>
    [...text.matchAll(new RegExp(`^sentinel_${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    )
}

describe('docs/metrics.md is true of the code', () => {
  it('has every measurement of a host, with all its tags and fields', async () => {
    const made: Record<string, Record<string, string>> = {}
    for (const machine of ['server', 'stacked']) {
      const recorded = join(ROOT, `internal/source/host/testdata/${machine}/tick0`)
      const source = new HostSource({
        ...{ host: 'web-01', table: new SeriesTable(), platform: 'linux', onProblem: () => {} },
        ...{ procRoot: `${recorded}/proc`, sysRoot: `${recorded}/sys`, mountRoot: `${recorded}/root` },
        fileSystemCalls: {
          size: async () => ({ bsize: 1, blocks: 2, bfree: 1, bavail: 1, files: 2, ffree: 1 }),
          // A file system whose files have a number of their own.
          device: async (path) => 1e9 + path.length,
        },
      })
      await source.collect(1e15, ({ series: { measurement, tags, fieldNames, fieldKinds } }) => {
        made[measurement] ??= {}
        for (const [tag] of tags) if (tag !== 'host') made[measurement][tag] = 'tag'
        for (const [i, name] of fieldNames.entries()) made[measurement][name] = fieldKinds[i]!
      })
    }
    const headings = [...section('## What the agent measures').matchAll(/^### `(\w+)`$/gm)].map(([, name]) => name!)
    const onPage = Object.fromEntries(headings.map((name) => [name, describedOf(`### \`${name}\``)]))
    // The recorded machines were read once, and a usage is the difference of two readings.
    expect({ ...made, cpu: onPage.cpu }).toEqual(onPage)
  })

  it('has every reason, and no other', () => {
    const reasons = (heading: string): string[] => rows(section(heading)).map(([name]) => name!)
    expect(reasons('### Reasons to reject').toSorted()).toEqual(REJECT_REASONS.toSorted())
    expect(reasons('### Reasons to drop').toSorted()).toEqual(DROP_REASONS.toSorted())
    expect(reasons('### Figures that are left out').toSorted()).toEqual(LEFT_OUT_REASONS.toSorted())
  })

  it('shows the latency lines as they are written', () => {
    const lines = /```\n(INTERNAL[^`]*)\n```/.exec(page)?.[1]?.split('\n') ?? []
    expect(lines).toHaveLength(3)
    for (const line of lines) {
      const [, name, count, p50Us, p90Us, p99Us] = /^(\w+?)_\D*(\d+) \S+?=(\d+) \S+?=(\d+) \S+?=(\d+)$/.exec(line) ?? []
      const summary = {
        count: Number(count),
        p50Us: Number(p50Us),
        p90Us: Number(p90Us),
        p99Us: Number(p99Us),
        maxUs: 0,
      }
      expect(statsLine(name as 'E2E', summary)).toBe(line)
    }
  })

  it('speaks of no metric and no setting that is not there', () => {
    const known = new Set(
      ['agent', 'server', 'api', 'up', 'generator', 'queue'].flatMap((role) => [...describedFor(role).keys()]),
    )
    const spoken = [...page.matchAll(/\b(?:sentinel|nodejs|process)_\w+/g)].map(([name]) =>
      name.replace(/_bucket$/, ''),
    )
    const unknown = spoken.filter((name) => !known.has(name) && !/^sentinel_(pipeline|doctor|conflict)$/.test(name))
    expect(unknown).toEqual([])
    const settings = new Set(allSettings().map(([key]) => key))
    const keys = [...page.matchAll(/`([a-z]+\.[a-zA-Z]+)`/g)].map(([, key]) => key!)
    expect(keys.filter((key) => !settings.has(key))).toEqual([])
  })
})

describe('the links between the pages', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    ...readdirSync(join(ROOT, 'docs'), { recursive: true }),
  ]
    .map((name) => (existsSync(join(ROOT, String(name))) ? String(name) : join('docs', String(name))))
    .filter((name) => name.endsWith('.md'))

  it.each(pages)('of %s lead somewhere', (name) => {
    const text = readFileSync(join(ROOT, name), 'utf8')
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!).filter((to) => !/^[a-z]+:/.test(to))
    const broken = links.filter((to) => {
      const [path = '', anchor] = to.split('#')
      const target = path === '' ? join(ROOT, name) : join(ROOT, dirname(name), path)
      return !existsSync(target) || (anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).has(anchor))
    })
    expect(broken).toEqual([])
  })
})

/** `a/{b,c}/d` names two paths. */
function expandBraces(path: string): string[] {
  const [, before, choices, after] = /^(.*?)\{([^}]*)\}(.*)$/.exec(path) ?? []
  if (choices === undefined) return [path]
  return choices.split(',').flatMap((choice) => expandBraces(`${before}${choice}${after}`))
}

const PLACES = ['cmd', 'internal', 'bench', 'web', 'deploy', 'test', 'scripts']

describe('the paths that the pages name', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }),
  ]
    .map((name) => (existsSync(join(ROOT, name)) ? name : join('docs', name)))
    .filter((name) => name.endsWith('.md'))

  it.each(pages)('of %s exist', (name) => {
    const text = readFileSync(join(ROOT, name), 'utf8')
    const spans = [...text.matchAll(/`([\w./{},-]+)`/g)].map(([, span]) => span!)
    const paths = spans.filter((span) => PLACES.some((place) => span.startsWith(`${place}/`))).flatMap(expandBraces)
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })
})

describe('the tree of folders in docs/ARCHITECTURE.md', () => {
  const text = readFileSync(join(ROOT, 'docs/ARCHITECTURE.md'), 'utf8')
  const tree = /\n## Folders\n\n```\n([\s\S]*?)\n```/.exec(text)?.[1] ?? ''
  /** Each line begins with the folders that it is about; an indented one is about folders of the line above it. */
  const told = new Set<string>()
  let top = ''
  for (const line of tree.split('\n')) {
    const [, indent = '', names = ''] = /^( *)((?:[\w-]+\/(?: |$))+)/.exec(line) ?? []
    for (const name of names.trim().split(' ')) told.add(indent === '' ? name : `${top}${name}`)
    if (indent === '') top = names.trim()
  }

  it('has every folder, and no other', () => {
    const folders = ['cmd', 'internal', 'bench', 'web'].flatMap((place) =>
      readdirSync(join(ROOT, place), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${place}/${name}/`),
    )
    const isInside = (folder: string): boolean => /^(cmd|internal|bench|web)\/./.test(folder)
    expect([...told].filter(isInside).toSorted()).toEqual(folders.toSorted())
    expect([...told].filter((folder) => !existsSync(join(ROOT, folder)))).toEqual([])
  })
})

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
