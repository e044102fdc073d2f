import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { cpus, tmpdir, uptime } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { until } from '../../../test/support/servers.ts'
import { encodeLineText } from '../../format/line/encode.ts'
import { isRefusal } from '../../sample/border.ts'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { Slot } from '../../sample/value.ts'
import type { Problem } from '../source.ts'
import type { FileSystemSize } from './mount-asker.ts'
import { deviceNumber } from './mount-identity.ts'
import { parseMountinfo } from './mounts.ts'
import { osName } from './os-name.ts'
import { HOST_MEASUREMENTS, HostSource, type HostSourceOptions } from './source.ts'

const TESTDATA = join(import.meta.dirname, 'testdata')
const AT_US = 1_763_900_000_000_000

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'host-'))
  folders.push(folder)
  return folder
}

/** A source under `root`, with what it emitted and said. */
function sourceUnder(root: string, options: Partial<HostSourceOptions> = {}) {
  const problems: Problem[] = []
  const source = new HostSource({
    host: 'web-01',
    table: new SeriesTable(),
    procRoot: join(root, 'proc'),
    sysRoot: join(root, 'sys'),
    mountRoot: join(root, 'root'),
    onProblem: (problem) => problems.push(problem),
    platform: 'linux',
    ...options,
  })
  const collect = async (atUs: number) => {
    const lines: string[] = []
    await source.collect(atUs, (sample) => lines.push(encodeLineText(sample)))
    return lines
  }
  return { source, problems, collect }
}

/**
 * A case is a folder with `tick0`, the machine when the agent starts; `tick1` and so on, what has changed a second
 * later each time, with `gone.txt` for what was there and is not; `statfs.json`, what the kernel says of the size of
 * its file systems; and `expected.lp`, all samples as line protocol.
 */
test.each(readdirSync(TESTDATA))('recorded machine: %s', async (name) => {
  const folder = join(TESTDATA, name)
  const root = temporaryFolder()
  cpSync(join(folder, 'tick0'), root, { recursive: true })
  const statfs = join(folder, 'statfs.json')
  const sizes: Record<string, FileSystemSize> = existsSync(statfs) ? JSON.parse(readFileSync(statfs, 'utf8')) : {}
  let nowMs = 0
  const { source, problems, collect } = sourceUnder(root, {
    monotonicMs: () => nowMs,
    fileSystemCalls: {
      size: async (path) => {
        const size = sizes[path.slice(join(root, 'root').length) || '/']
        if (size === undefined) throw new Error(`EACCES: permission denied, statfs`)
        return size
      },
      device: async (path) => {
        const mounts = parseMountinfo(readFileSync(join(root, 'proc/1/mountinfo'), 'utf8'))
        const onHost = path.slice(join(root, 'root').length) || '/'
        return deviceNumber(mounts.findLast((mount) => mount.path === onHost)!.id)
      },
    },
  })
  const said: string[] = []
  for (let tick = 1; existsSync(join(folder, `tick${tick}`)); tick++) {
    cpSync(join(folder, `tick${tick}`), root, { recursive: true })
    const gone = join(folder, `tick${tick}`, 'gone.txt')
    if (existsSync(gone)) for (const path of readFileSync(gone, 'utf8').trim().split('\n')) rmSync(join(root, path))
    nowMs = tick * 1000
    said.push(`# tick ${tick}`, ...(await collect(AT_US + tick * 1e6)))
  }
  said.push('# problems', ...problems.map(({ part, message }) => `${part}: ${message}`.replaceAll(root, '')))
  said.push(
    '# unavailable',
    ...[...source.unavailable].map(([figures, why]) => `${figures}: ${why}`.replaceAll(root, '')),
  )
  await expect(`${said.join('\n')}\n`).toMatchFileSnapshot(join(folder, 'expected.lp'))
})

test('this machine: one collect gives all eight measurements, with plausible values', async () => {
  let nowMs = 0
  const monotonicMs = () => nowMs
  const options = {
    host: 'here',
    table: new SeriesTable(),
    onProblem: () => {},
    platform: 'linux',
    monotonicMs,
  } as const
  const source = new HostSource(options)
  nowMs = 1000
  // The kernel counts CPU time in hundredths of a second: one has to pass before there is a difference.
  const cpuTimes = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]
  await until('some CPU time has been counted', () => !readFileSync('/proc/stat', 'utf8').startsWith(`${cpuTimes}\n`))
  const uptimeBefore = uptime()
  const seen = new Map<string, Record<string, Slot>[]>()
  await source.collect(AT_US, (sample) => {
    expect(sample.series.tag('host')).toBe('here')
    expect(sample.at).toBe(AT_US)
    const { measurement, fieldNames } = sample.series
    const fields = Object.fromEntries(fieldNames.map((name, i) => [name, sample.values[i]]))
    const tags = Object.fromEntries(sample.series.tags)
    seen.set(measurement, [...(seen.get(measurement) ?? []), { ...fields, ...tags }])
  })
  expect([...seen.keys()].sort()).toEqual([...HOST_MEASUREMENTS].sort())

  const total = seen.get('cpu')!.find(({ cpu }) => cpu === 'cpu-total')!
  const parts = Object.entries(total).filter(([name]) => name.startsWith('usage_') && name !== 'usage_active')
  expect(parts.reduce((sum, [, value]) => sum + Number(value), 0)).toBeCloseTo(100, 6)
  expect(total.usage_active).toBeCloseTo(100 - Number(total.usage_idle), 6)

  const memTotal = Number(/MemTotal: +(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024
  const mem = seen.get('mem')![0]!
  expect(mem.total).toBe(memTotal)
  expect(Number(mem.used) + Number(mem.available)).toBe(memTotal)
  const root = seen.get('disk')!.find(({ path }) => path === '/')!
  expect(Number(root.used)).toBeGreaterThan(0)
  for (const percent of [mem.used_percent, seen.get('swap')![0]!.used_percent ?? 0, root.used_percent]) {
    expect(percent).toBeGreaterThanOrEqual(0)
    expect(percent).toBeLessThanOrEqual(100)
  }
  const system = seen.get('system')![0]!
  expect(system.n_cpus).toBe(cpus().length)
  expect(Number(system.uptime)).toBeGreaterThanOrEqual(Math.floor(uptimeBefore))
  expect(Number(system.uptime)).toBeLessThanOrEqual(uptime())
  const processes = seen.get('processes')![0]!
  expect(processes.total).toBeGreaterThan(1)
  expect(processes.total_threads).toBeGreaterThanOrEqual(Number(processes.total))
})

test('a reading that fails is told once and forgotten when it works again', async () => {
  const root = temporaryFolder()
  cpSync(join(TESTDATA, 'server/tick0'), root, { recursive: true })
  rmSync(join(root, 'proc/meminfo'))
  const { source, problems, collect } = sourceUnder(root, { include: ['mem', 'swap', 'cpu'] })
  await collect(AT_US)
  await collect(AT_US + 1e6)
  expect(problems.map(({ part }) => part)).toEqual(['mem', 'swap'])
  expect(problems[0]!.cause).toMatchObject({ code: 'ENOENT' })
  expect([...source.unavailable.keys()]).toEqual(['mem', 'swap'])
  cpSync(join(TESTDATA, 'server/tick0/proc/meminfo'), join(root, 'proc/meminfo'))
  expect((await collect(AT_US + 2e6)).map((line) => line.split(',', 1)[0])).toEqual(['mem', 'swap'])
  expect(source.unavailable.size).toBe(0)
})

test('collect rejects only when nothing at all could be read', async () => {
  const { collect } = sourceUnder(temporaryFolder(), { include: ['mem', 'cpu'] })
  await expect(collect(AT_US)).rejects.toThrow('nothing of this host could be read')
})

test('reads only the measurements that are included, and tells only their problems', async () => {
  const root = temporaryFolder()
  cpSync(join(TESTDATA, 'container/tick0'), root, { recursive: true })
  const { source, problems, collect } = sourceUnder(root, { include: ['mem'] })
  expect((await collect(AT_US)).map((line) => line.split(',', 1)[0])).toEqual(['mem'])
  expect([...source.unavailable.keys()]).toEqual(['mem'])
  expect(problems).toHaveLength(1)
})

test('include: kept measurements continue, new ones begin anew, removed ones tell no problems', async () => {
  const root = temporaryFolder()
  cpSync(join(TESTDATA, 'container/tick0'), root, { recursive: true })
  let nowMs = 0
  const { source, problems, collect } = sourceUnder(root, { include: ['mem', 'cpu'], monotonicMs: () => nowMs })
  cpSync(join(TESTDATA, 'container/tick1'), root, { recursive: true })
  nowMs = 1000
  source.include(['cpu', 'processes'])
  const lines = await collect(AT_US)
  expect([...new Set(lines.map((line) => line.split(',', 1)[0]))]).toEqual(['cpu', 'processes'])
  expect([...source.unavailable.keys()]).toEqual(['cpu'])
  source.include(['mem'])
  expect((await collect(AT_US + 1e6)).map((line) => line.split(',', 1)[0])).toEqual(['mem'])
  expect([...source.unavailable.keys()]).toEqual(['mem'])
  // Each was said once, whenever it came and went.
  expect(problems.map(({ part }) => part)).toEqual(['mem', 'cpu'])
})

test.each([
  { firstTickMs: 10, given: [false, true], sinceTick: [0, 0] },
  { firstTickMs: 99, given: [false, true], sinceTick: [0, 0] },
  { firstTickMs: 100, given: [true, true], sinceTick: [0, 1] },
  { firstTickMs: 900, given: [true, true], sinceTick: [0, 1] },
])(
  'a first tick $firstTickMs ms after the first reading: what is a difference of two',
  async ({ firstTickMs, given, sinceTick }) => {
    const idleTicks = [100, 110, 150]
    const root = temporaryFolder()
    mkdirSync(join(root, 'proc'))
    const machine = (tick: number) => {
      writeFileSync(join(root, 'proc/stat'), `cpu  ${10 + tick * 10} 0 0 ${idleTicks[tick]} 0 0 0 0 0 0\n`)
      writeFileSync(join(root, 'proc/diskstats'), `8 0 sda ${5 + tick} 0 8 10 0 0 0 0 0 ${10 + tick * 5} 10\n`)
    }
    for (const include of ['at the start', 'by a reload'] as const) {
      let nowMs = 0
      machine(0)
      const { source, collect } = sourceUnder(root, {
        include: include === 'at the start' ? ['cpu', 'diskio'] : [],
        monotonicMs: () => nowMs,
      })
      if (include === 'by a reload') source.include(['cpu', 'diskio'])
      for (const [i, atMs] of [firstTickMs, firstTickMs + 1000].entries()) {
        nowMs = atMs
        machine(i + 1)
        const lines = await collect(AT_US)
        const idle = idleTicks[i + 1]! - idleTicks[sinceTick[i]!]!
        const busy = (i + 1 - sinceTick[i]!) * 10
        const usage = lines
          .filter((line) => line.startsWith('cpu,'))
          .map((line) => Number(/usage_active=([\d.]+)/.exec(line)?.[1]))
        expect(usage).toEqual(given[i] ? [expect.closeTo((100 * busy) / (busy + idle))] : [])
        const io = lines.find((line) => line.startsWith('diskio,'))!
        expect(io).toContain(`reads=${6 + i}i`)
        expect(io.includes('io_util')).toBe(given[i])
      }
    }
  },
)

test('a full table costs no series', async () => {
  const root = temporaryFolder()
  cpSync(join(TESTDATA, 'server/tick0'), root, { recursive: true })
  const { problems, collect } = sourceUnder(root, {
    table: new SeriesTable({ maxSeries: 2 }),
    include: ['mem', 'swap', 'diskio'],
  })
  const whole = await sourceUnder(root, { include: ['mem', 'swap', 'diskio'] }).collect(AT_US)
  expect(whole.length).toBeGreaterThan(2)
  for (const tick of [0, 1]) expect(await collect(AT_US + tick * 1e6)).toHaveLength(whole.length)
  expect(problems).toEqual([])
})

test('a series that had its fields in another order gets each value in its field', async () => {
  const root = temporaryFolder()
  cpSync(join(TESTDATA, 'server/tick0'), root, { recursive: true })
  const table = new SeriesTable()
  const series = table.intern('swap', [['host', 'web-01']], AT_US)
  if (isRefusal(series)) throw new Error(series.detail)
  for (const name of ['out', 'note', 'used_percent', 'total']) series.field(name, name === 'note' ? 'string' : 'int')
  const { collect } = sourceUnder(root, { table, include: ['swap'] })
  const [line] = await collect(AT_US)
  expect(line).toContain(' out=8650752i,')
  expect(line).toContain('total=4294963200i')
  expect(line).toContain('in=1302528i')
  expect(line).not.toContain('note')
})

test('a sample and its series are the same objects at every tick', async () => {
  const root = temporaryFolder()
  cpSync(join(TESTDATA, 'server/tick0'), root, { recursive: true })
  const { source } = sourceUnder(root, { include: ['mem', 'net', 'diskio'] })
  const ticks: Sample[][] = [[], []]
  for (const [i, samples] of ticks.entries()) await source.collect(AT_US + i * 1e6, (sample) => samples.push(sample))
  expect(ticks[0]!.length).toBeGreaterThan(5)
  for (const [i, sample] of ticks[0]!.entries()) expect(ticks[1]![i]).toBe(sample)
})

test('without process 1 of the host, only mounts below the mount root are the host’s', async () => {
  const root = temporaryFolder()
  mkdirSync(join(root, 'proc/self'), { recursive: true })
  const host = join(root, 'root')
  writeFileSync(
    join(root, 'proc/self/mountinfo'),
    [
      '1 0 0:52 / / rw - overlay overlay rw',
      '2 1 8:2 /volume /data rw - ext4 /dev/sda2 rw',
      `3 1 8:1 / ${host} ro - ext4 /dev/root rw`,
      `4 3 8:3 / ${host}/home rw - xfs /dev/sda3 rw`,
    ].join('\n'),
  )
  mkdirSync(join(root, 'sys/dev/block'), { recursive: true })
  symlinkSync('../../devices/pci0000:00/block/nvme0n1/nvme0n1p2', join(root, 'sys/dev/block/8:1'))
  const asked: string[] = []
  const { source, collect } = sourceUnder(root, {
    include: ['disk'],
    fileSystemCalls: {
      size: async (path) => {
        asked.push(path)
        return { bsize: 1, blocks: 10, bfree: 5, bavail: 5, files: 0, ffree: 0 }
      },
      device: async (path) => deviceNumber(path.endsWith('home') ? '8:3' : '8:1'),
    },
  })
  expect((await collect(AT_US)).map((line) => line.split(' ', 1)[0])).toEqual([
    'disk,device=nvme0n1p2,fstype=ext4,host=web-01,mode=ro,path=/',
    'disk,device=sda3,fstype=xfs,host=web-01,mode=rw,path=/home',
  ])
  expect(asked).toEqual([`${host}/`, `${host}/home`])
  expect(source.unavailable.get('disk')).toContain('not the host')
})

test('names the operating system for people', () => {
  const root = temporaryFolder()
  mkdirSync(join(root, 'etc'))
  writeFileSync(
    join(root, 'etc/os-release'),
    'NAME="Debian"\nPRETTY_NAME="Debian \\"GNU\\"/Linux 12 (bookworm)"\nID=debian\n',
  )
  expect(osName(root)).toBe('Debian "GNU"/Linux 12 (bookworm)')
})
