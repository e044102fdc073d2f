import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Sample } from '../../sample/sample.ts'
import { SeriesTable } from '../../sample/series.ts'
import type { Slot } from '../../sample/value.ts'
import type { Problem } from '../source.ts'
import { HostSource, type HostSourceOptions } from './source.ts'

const SERVER = join(import.meta.dirname, 'testdata/server/tick0')

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'broken-'))
  cpSync(SERVER, root, { recursive: true })
})
afterEach(() => {
  rmSync(root, { recursive: true })
})

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}
const edit = (path: string, from: string | RegExp, to: string): void =>
  write(path, readFileSync(join(root, path), 'utf8').replace(from, to))

function open(options: Partial<HostSourceOptions> = {}) {
  const told: Problem[] = []
  let atMs = 0
  const source = new HostSource({
    ...{ host: 'web-01', table: new SeriesTable(), platform: 'linux', onProblem: (problem) => told.push(problem) },
    ...{ procRoot: join(root, 'proc'), sysRoot: join(root, 'sys'), mountRoot: join(root, 'root') },
    monotonicMs: () => atMs,
    fileSystemCalls: {
      size: async () => ({ bsize: 4096, blocks: 10, bfree: 5, bavail: 4, files: 10, ffree: 5 }),
      device: async (path) => 1e9 + path.length,
    },
    ...options,
  })
  const collect = async (): Promise<Map<string, Record<string, Slot>>> => {
    atMs += 1000
    const rows = new Map<string, Record<string, Slot>>()
    await source.collect(1e15 + atMs * 1000, ({ series, values }: Sample) => {
      const [, name = ''] = series.tags.find(([key]) => ['cpu', 'interface', 'name', 'path'].includes(key)) ?? []
      const fields = series.fieldNames.flatMap((field, i) => (values[i] === undefined ? [] : [[field, values[i]]]))
      rows.set(`${series.measurement} ${name}`.trim(), Object.fromEntries(fields))
    })
    return rows
  }
  return { source, told, collect, counted: (reason: string) => new Map<string, number>(source.leftOut).get(reason) }
}

const LOADS = { load1: expect.any(Number), load5: expect.any(Number), load15: expect.any(Number) }

describe('what cannot be read costs its own figures only', () => {
  test.each<[string, () => void, string, string[]]>([
    ['/proc/uptime is missing', () => rmSync(join(root, 'proc/uptime')), 'system', ['uptime']],
    ['/proc/uptime is no number', () => write('proc/uptime', 'soon\n'), 'system', ['uptime']],
    ['/proc/loadavg is missing', () => rmSync(join(root, 'proc/loadavg')), 'system', ['load1', 'load5', 'load15']],
    ['/proc/loadavg is cut off', () => write('proc/loadavg', '0.5 0.6'), 'system', ['load15']],
    ['/proc/loadavg has a bad column', () => write('proc/loadavg', '0.5 nan 0.7\n'), 'system', ['load5']],
    ['no list of cores, and /proc/stat is missing', withoutCores, 'system', ['n_cpus']],
    ['a bad line of meminfo', () => edit('proc/meminfo', /Buffers: .*/, 'Buffers: ? kB'), 'mem', ['buffered']],
    ['a line of meminfo without its unit', () => edit('proc/meminfo', /(Dirty: .*) kB/, '$1'), 'mem', ['dirty']],
    ['a bad line of vmstat', () => edit('proc/vmstat', /pswpin .*/, 'pswpin x'), 'swap', ['in']],
    ['a line that vmstat lacks', () => edit('proc/vmstat', /pswpout .*/, ''), 'swap', ['out']],
    ['no vmstat', () => rmSync(join(root, 'proc/vmstat')), 'swap', ['in', 'out']],
    ['a bad column of net/dev', () => write('proc/1/net/dev', netDev('1 x 3 4')), 'net eth7', ['packets_recv']],
    [
      'a column of net/dev above 2^63',
      () => write('proc/1/net/dev', netDev('18446744073709551615 2 3 4')),
      'net eth7',
      ['bytes_recv'],
    ],
    [
      'a bad column of diskstats',
      () => write('proc/diskstats', '8 0 sda 1 2 3 4 5 6 7 x 0 10 11\n'),
      'diskio sda',
      ['write_time'],
    ],
    [
      'requests in progress below 0',
      () => write('proc/diskstats', '8 0 sda 1 2 3 4 5 6 7 8 4294967295 10 11\n'),
      'diskio sda',
      ['iops_in_progress'],
    ],
    [
      'more available than there is',
      () => edit('proc/meminfo', /MemAvailable: .*/, 'MemAvailable: 99999999999 kB'),
      'mem',
      ['available', 'available_percent', 'used', 'used_percent'],
    ],
    [
      'more free swap than there is',
      () => edit('proc/meminfo', /SwapFree: .*/, 'SwapFree: 99999999999 kB'),
      'swap',
      ['free', 'used', 'used_percent'],
    ],
    [
      'no total of memory',
      () => edit('proc/meminfo', /MemTotal: .*/, 'MemTotal: 0 kB'),
      'mem',
      expect.arrayContaining(['total', 'used_percent']) as unknown as string[],
    ],
  ])('%s', async (_, breakIt, row, missing) => {
    rmSync(join(root, 'proc/1/net/dev'))
    write('proc/1/net/dev', netDev('1 2 3 4'))
    write('proc/diskstats', '8 0 sda 1 2 3 4 5 6 7 8 0 10 11\n')
    const { collect, source } = open()
    const before = (await collect()).get(row)!
    breakIt()
    const after = (await collect()).get(row)!
    expect(
      Object.keys(before)
        .filter((field) => !(field in after))
        .sort(),
    ).toEqual(Array.isArray(missing) ? missing.toSorted() : missing)
    expect([...source.leftOut.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
  })

  test('a core with a bad column has no usage, and the others have', async () => {
    const { collect, counted } = open({ include: ['cpu'] })
    edit('proc/stat', /^cpu0 \S+ \S+/m, 'cpu0 600 x')
    edit('proc/stat', /^cpu3 7 0 0 100 /m, 'cpu3 7 0 0 150 ')
    expect([...(await collect()).keys()].filter((row) => row.startsWith('cpu '))).toEqual(['cpu cpu3'])
    expect(counted('unreadable')).toBe(11)
  })

  test('it is said once, and forgotten when it can be read again', async () => {
    const { collect, source, told } = open({ include: ['system'] })
    rmSync(join(root, 'proc/uptime'))
    for (let tick = 1; tick <= 3; tick++) expect((await collect()).get('system')).toMatchObject(LOADS)
    expect(told).toMatchObject([{ part: 'system.uptime', cause: { code: 'ENOENT' } }])
    expect([...source.unavailable.keys()]).toEqual(['system.uptime'])
    write('proc/uptime', '5.5 1\n')
    expect((await collect()).get('system')).toMatchObject({ uptime: 5 })
    expect(source.unavailable.size).toBe(0)
  })
})

test('a user’s list of interfaces replaces the one before, from the next tick on', async () => {
  write('proc/1/net/dev', `${netDev('1 2 3 4')}vethab: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n`)
  const { source, collect } = open({ include: ['net'], excludeInterfaces: ['veth*'] })
  expect([...(await collect()).keys()]).toEqual(['net eth7'])
  source.excludeInterfaces(['eth?'])
  expect([...(await collect()).keys()]).toEqual(['net vethab'])
  source.excludeInterfaces([])
  expect([...(await collect()).keys()]).toEqual(['net eth7', 'net vethab'])
})

test('idle time that once goes back by 150 gives no usage for that tick, and the true one before and after', async () => {
  const { collect, counted } = open({ include: ['cpu'] })
  const stat = (idle: number, tick: number): void => {
    const line = `${1000 + tick * 3} 0 0 ${idle} 0 0 0 0 0 0`
    write('proc/stat', `cpu  ${line}\ncpu0 ${line}\n`)
  }
  const active: unknown[] = []
  for (const [tick, idle] of [9000, 9097, 8947, 9044, 9141].entries()) {
    stat(idle, tick)
    active.push((await collect()).get('cpu cpu0')?.usage_active)
  }
  // The recorded machine before the first of these had other counters.
  expect(active.slice(1)).toEqual([3, undefined, 3, 3])
  expect(counted('went_back')).toBeGreaterThanOrEqual(2)
})

/** A word where the kernel writes a number. */
const word = fc.oneof(
  fc.nat(200).map(String),
  fc.constantFrom('-1', '', 'x', '0', '1e9', 'NaN', '0x7', '4294967295', '65535', '4294967290', '9223372036854775807'),
  fc.constantFrom('9223372036854775808', '18446744073709551615', '18446744073709551600', '9'.repeat(400), '0.5', '-0'),
)
const FILES = [
  ...['proc/stat', 'proc/meminfo', 'proc/vmstat', 'proc/loadavg', 'proc/uptime', 'proc/diskstats', 'proc/1/net/dev'],
  ...['proc/100/stat', 'sys/class/net/enp3s0f0/speed', 'sys/devices/system/cpu/online'],
]
const change = fc.record({
  file: fc.constantFrom(...FILES),
  /** Which of its numbers are changed, and to what. */
  words: fc.array(fc.tuple(fc.nat(300), word), { maxLength: 8 }),
  keep: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.boolean(),
})
const size = fc.oneof(fc.nat(1000), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 2 ** 63, 2 ** 64 - 2048, 2 ** 64))
const sizes = fc.record({ bsize: size, blocks: size, bfree: size, bavail: size, files: size, ffree: size })

/** No value of these is above that of the other. */
const BOUNDED: Readonly<Record<string, string>> = {
  available: 'total',
  cached: 'total',
  free: 'total',
  used: 'total',
  inodes_free: 'inodes_total',
  inodes_used: 'inodes_total',
}

test('of any broken machine, no figure outside its range leaves the source', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 4 }), sizes, async (ticks, broken) => {
      cpSync(SERVER, root, { recursive: true })
      const { collect } = open({
        fileSystemCalls: { size: async () => broken, device: async (path) => 1e9 + path.length },
      })
      for (const changes of ticks) {
        for (const { file, words, keep, cut } of changes) {
          let place = 0
          const replaced = new Map(words)
          const text = readFileSync(join(SERVER, file), 'utf8').replace(
            /\d+/g,
            (digits) => replaced.get(place++) ?? digits,
          )
          write(file, cut ? text.slice(0, text.length * keep) : text)
        }
        for (const [row, fields] of await collect()) expectPossible(row, fields)
      }
    }),
    { numRuns: 60 },
  )
})

function expectPossible(row: string, fields: Record<string, Slot>): void {
  expect(Object.keys(fields)).not.toHaveLength(0)
  for (const [name, value] of Object.entries(fields)) {
    const where = `${row} ${name}=${String(value)}`
    expect(Number.isNaN(value), where).toBe(false)
    expect(Number(value), where).toBeGreaterThanOrEqual(0)
    expect(Number(value), where).toBeLessThan(Number.POSITIVE_INFINITY)
    if (typeof value === 'bigint') expect(value < 2n ** 63n, where).toBe(true)
    if (/percent|^usage_|io_util/.test(name)) expect(Number(value), where).toBeLessThanOrEqual(100)
    if (name === 'speed') expect([0, 65_535, 4_294_967_295], where).not.toContain(value)
    const total = fields[BOUNDED[name] ?? '']
    if (total !== undefined) expect(Number(value), `${where} of ${String(total)}`).toBeLessThanOrEqual(Number(total))
  }
}

function netDev(received: string): string {
  const head = 'Inter-| Receive | Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n'
  return `${head}eth7: ${received} 0 0 0 0 5 6 7 8 0 0 0 0\n`
}

function withoutCores(): void {
  rmSync(join(root, 'sys'), { recursive: true })
  rmSync(join(root, 'proc/stat'))
}
