import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SCHEMA } from '../../config/settings.ts'
import { type CpuTimes, cpuUsage, parseCpuTimes } from './cpu.ts'
import { diskRates, parseDiskstats } from './diskio.ts'
import { counter } from './kernel-files.ts'
import { linuxMemValues, parseMeminfo } from './mem.ts'
import { chooseMounts, isRemote, type Mount, parseMountinfo } from './mounts.ts'
import { isReported, nameMatcher, parseNetDev, parseSpeed } from './net.ts'
import { prettyName } from './os-name.ts'
import { countProcesses, parseProcess } from './processes.ts'
import { parseSwapped } from './swap.ts'
import { countCpuList, parseLoadavg, parseUtmp } from './system.ts'

const times = fc.array(fc.nat(1_000_000), { minLength: 10, maxLength: 10 })

test('for any two readings of a core: percentages from 0 to 100 that sum to 100, or none', () => {
  const jitter = fc.array(fc.integer({ min: -5, max: 1000 }), { minLength: 10, maxLength: 10 })
  fc.assert(
    fc.property(times, fc.oneof(times, jitter), fc.boolean(), (before, second, isDelta) => {
      const now = isDelta ? before.map((ticks, i) => ticks + second[i]!) : second
      const usage = cpuUsage(before, now)
      if (usage === undefined || typeof usage === 'string') return
      for (const percent of usage) {
        expect(percent).toBeGreaterThanOrEqual(0)
        expect(percent).toBeLessThanOrEqual(100)
      }
      const parts = usage.slice(0, -1).reduce<number>((sum, percent) => sum + Number(percent), 0)
      expect(parts).toBeCloseTo(100, 6)
      expect(usage.at(-1)).toBeCloseTo(100 - Number(usage[2]), 6)
    }),
  )
})

test('a core for which no time has passed has no usage', () => {
  const still: CpuTimes = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]
  expect(cpuUsage(still, still)).toBeUndefined()
})

//                         user nice sys idle iowait irq softirq steal guest guest_nice
const BEFORE: CpuTimes = [1000, 50, 500, 9000, 300, 20, 40, 10, 400, 20]

test.each<[string, readonly number[], ReturnType<typeof cpuUsage>]>([
  ['idle, which once went back by 150', [3, 0, 0, -150, 0, 0, 0, 0, 0, 0], 'went_back'],
  ['iowait, further than idle grew', [3, 0, 0, 20, -40, 0, 0, 0, 0, 0], 'went_back'],
  ['user', [-1, 0, 0, 100, 0, 0, 0, 0, 0, 0], 'went_back'],
  ['steal, after a move to another hypervisor', [3, 0, 0, 97, 0, 0, 0, -5, 0, 0], 'went_back'],
  ['guest alone', [3, 0, 0, 97, 0, 0, 0, 0, -1, 0], 'went_back'],
  ['all, because the core was unplugged', BEFORE.map((ticks) => -ticks), 'went_back'],
  ['the same idle time, given back a tick later', [3, 0, 0, 250, 0, 0, 0, 0, 0, 0], 'jumped'],
  ['steal, which jumped', [3, 0, 0, 97, 0, 0, 0, 4000, 0, 0], 'jumped'],
  ['iowait, booked as idle later', [10, 0, 0, 100, -10, 0, 0, 0, 0, 0], [10, 0, 90, 0, 0, 0, 0, 0, 0, 0, 10]],
  ['idle, booked as iowait later', [10, 0, 0, -30, 120, 0, 0, 0, 0, 0], [10, 0, 0, 0, 90, 0, 0, 0, 0, 0, 100]],
  ['guests a tick ahead of user', [10, 0, 0, 90, 0, 0, 0, 0, 11, 0], [0, 0, 90, 0, 0, 0, 0, 0, 10, 0, 10]],
])('a core whose counters changed by what cannot be: %s', (_, deltas, expected) => {
  const now = BEFORE.map((ticks, i) => ticks + deltas[i]!)
  expect(cpuUsage(BEFORE, now, 1000)).toEqual(expected)
})

/** The kernel's own escaping of a path in mountinfo (seq_path with " \t\n\\"). */
const escaped = (path: string) => path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)

test('any path and device of a mount is read as it is', () => {
  const name = fc.string({ unit: fc.constantFrom(...'ab \t\n\\é🙂,-/0'), minLength: 1 })
  fc.assert(
    fc.property(name, name, (folder, device) => {
      const line = `36 35 98:0 /sub /${escaped(folder)} rw,noatime master:1 shared:7 - ext3 ${escaped(device)} rw,errors=continue`
      expect(parseMountinfo(`${line}\n`)).toEqual<Mount[]>([
        {
          device,
          path: `/${folder}`,
          fstype: 'ext3',
          root: '/sub',
          mode: 'rw',
          id: '98:0',
          options: 'rw,errors=continue',
        },
      ])
    }),
  )
})

test('any name of a process is skipped, brackets and spaces included', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...'RSDZTtXI'), fc.nat(5000), (name, state, threads) => {
      const rest = '1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0'
      expect(parseProcess(`42 (${name}) ${state} ${rest} ${threads} 0 100\n`)).toEqual({ state, threads })
    }),
  )
})

test('parsing any file gives a result or an Error, without delay', () => {
  const parsers = [
    (text: string) => parseCpuTimes(text),
    (text: string) => parseDiskstats(text),
    (text: string) => parseMeminfo(text),
    (text: string) => linuxMemValues(parseMeminfo(text)),
    (text: string) => chooseMounts(parseMountinfo(text)),
    (text: string) => parseNetDev(text),
    (text: string) => parseProcess(text),
    (text: string) => parseSwapped(text),
    (text: string) => parseLoadavg(text),
    (text: string) => countCpuList(text),
    (text: string) => parseUtmp(Buffer.from(text)),
    (text: string) => prettyName(text),
  ]
  const words = fc.constantFrom(
    'cpu',
    'cpu0',
    ' ',
    '  ',
    ':',
    '-',
    '0',
    '17',
    '18446744073709551615',
    '\n',
    '/',
    'rw',
    'x',
    '(',
    ')',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(words, { maxLength: 60 }).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(fc.constantFrom(...parsers), text, (parse, input) => {
      try {
        parse(input)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }),
    { numRuns: 2000 },
  )
})

test.each<[string, number, number | bigint]>([
  ['0', 1, 0],
  ['9007199254740991', 1, 9_007_199_254_740_991],
  ['9007199254740992', 1, 9_007_199_254_740_992n],
  ['9007199254740993', 512, 4_611_686_018_427_388_416n],
  ['18446744073709551615', 1, 18_446_744_073_709_551_615n],
  ['', 1, Number.NaN],
  ['1.5', 1, Number.NaN],
  ['-1', 1, Number.NaN],
  ['0x10', 1, Number.NaN],
  ['1e5', 1, Number.NaN],
])('counter %s × %d', (digits, unit, expected) => {
  expect(counter(digits, unit)).toBe(expected)
})

test.each<[string, number]>([
  ['0\n', 1],
  ['0-3\n', 4],
  ['0-3,8,10-11\n', 7],
  ['\n', 0],
])('cores in %j', (list, expected) => {
  expect(countCpuList(list)).toBe(expected)
})

test.each<[string, string | undefined, boolean]>([
  ['lo', '0x9\n', false],
  ['eth0', '0x1003\n', true],
  ['eth0', '0x1002\n', false],
  ['eth0', undefined, true],
  ['lo', undefined, false],
])('interface %s with flags %j is reported: %s', (name, flags, expected) => {
  expect(isReported(name, flags)).toBe(expected)
})

test.each<[string, string | undefined]>([
  ['PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n', 'Debian GNU/Linux 12 (bookworm)'],
  ["PRETTY_NAME='Arch Linux'", 'Arch Linux'],
  ['PRETTY_NAME=Alpine', 'Alpine'],
  ['NAME=x', undefined],
])('the name in %j', (osRelease, expected) => {
  expect(prettyName(osRelease)).toBe(expected)
})

test.each(['nfs', 'nfs4', 'cifs', 'smb3', '9p', 'ceph', 'fuse', 'fuse.sshfs', 'lustre'])('%s is remote', (fstype) => {
  expect(isRemote(fstype)).toBe(true)
})

test.each(['ext4', 'xfs', 'btrfs', 'zfs', 'vfat', 'overlay'])('%j is local', (fstype) => {
  expect(isRemote(fstype)).toBe(false)
})

test('an idle disk has no time per request', () => {
  const still = [5, 0, 10, 7, 5, 0, 10, 7, 0, 3, 3]
  expect(diskRates(still, still, 1000)).toEqual([undefined, undefined, 0])
  expect(diskRates(still, still, 0)).toEqual([undefined, undefined, undefined])
})

test.each<[string, readonly number[], ReturnType<typeof diskRates>]>([
  ['one request of 10 s that ends', [1, 0, 8, 10_000, 0, 0, 0, 0, 0, 10_000, 10_000], [10_000, 10_000, 100]],
  ['a time that wrapped at 2^32', [1, 0, 8, 5, 0, 0, 0, 0, 0, -(2 ** 32 - 900), 5], 'went_back'],
  ['a time that wrapped below 0', [1, 0, 8, 2 ** 32 - 6, 0, 0, 0, 0, 0, 5, 5], 'jumped'],
  ['a device plugged in again, with more reads than before', [9, -1, 8, 5, 9, 0, 8, 5, 0, 5, 5], 'went_back'],
])('the rates of a disk, %s', (_, deltas, expected) => {
  const before = [5, 1, 10, 7, 5, 0, 10, 7, 0, 2 ** 32 - 100, 3]
  const now = before.map((value, i) => value + deltas[i]!)
  expect(diskRates(before, now, 1000)).toEqual(expected)
})

test('for any two readings of a disk, no rate is below 0 and no share above 100', () => {
  const counters = fc.array(fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 53)), {
    minLength: 11,
    maxLength: 11,
  })
  fc.assert(
    fc.property(counters, counters, fc.nat(100_000), (before, now, elapsedMs) => {
      const rates = diskRates(before, now, elapsedMs)
      if (typeof rates === 'string') return
      for (const rate of rates) if (rate !== undefined) expect(rate).toBeGreaterThanOrEqual(0)
      if (rates[2] !== undefined) expect(rates[2]).toBeLessThanOrEqual(100)
    }),
  )
})

test.each<[string | undefined, number | undefined]>([
  ['1000\n', 1000],
  ['800000\n', 800_000],
  ['-1\n', undefined],
  ['0\n', undefined],
  ['65535\n', undefined],
  ['4294967295\n', undefined],
  [undefined, undefined],
  ['fast\n', Number.NaN],
])('the speed of an interface, %j', (speed, expected) => {
  expect(parseSpeed(speed)).toBe(expected)
})

test.each<[string, string, number | undefined]>([
  ['MemFree', 'MemFree:  16384 kB', 16_777_216],
  ['MemFree', 'MemFree:  16384', Number.NaN],
  ['MemFree', 'MemFree:  16k384 kB', Number.NaN],
  ['MemFree', 'MemFree:', Number.NaN],
  ['HugePages_Total', 'HugePages_Total:       8', 8],
  ['MemFree', 'MemFre', undefined],
])('%s in the line %j', (name, line, expected) => {
  expect(parseMeminfo(`MemTotal: 1 kB\n${line}`).get(name)).toBe(expected)
})

test.each<[string, boolean]>([
  ...(['veth1a2b3c4', 've-web', 'vb-web', 'cali38ead6f8cf5', 'lxc1a2b3c4d5e6f', 'lxc_health'] as const).map(
    (name): [string, boolean] => [name, true],
  ),
  ...(
    ['eni0123456789a', 'azv0123456789a', 'gke0123456789a', 'vnet3', 'fwpr100p0', 'tap100i0', 'tap0a1b2c3d-4e'] as const
  ).map((name): [string, boolean] => [name, true]),
  ...(
    ['eth0', 'eno1', 'enp3s0f0', 'ens5', 'wlan0', 'wlp2s0', 'bond0', 'team0', 'eth0.100', 'vlan7', 'ib0'] as const
  ).map((name): [string, boolean] => [name, false]),
  ...(
    ['docker0', 'br-0a1b2c3d4e5f', 'cni0', 'lxcbr0', 'virbr0', 'tun0', 'tap0', 'wg0', 'flannel.1', 'xveth'] as const
  ).map((name): [string, boolean] => [name, false]),
])('the interface %s is left out by default: %s', (name, isExcluded) => {
  const patterns = SCHEMA.agent.netExclude.default as readonly string[]
  expect(nameMatcher(patterns)(name)).toBe(isExcluded)
})

test('patterns of interfaces are no expressions, and none at all leave out none', () => {
  expect(nameMatcher([])('')).toBe(false)
  expect(nameMatcher(['eth0.1'])('eth0x1')).toBe(false)
  expect(nameMatcher(['a(b', '[c]*', 'd+'])('[c]9')).toBe(true)
  expect(nameMatcher(['weird.%?-~'])('weird.%d-~')).toBe(true)
})

test('a state that is not known, and a process not read yet, count as unknown', () => {
  const [blocked, , , , parked, running, , , unknown, , total, threads] = countProcesses(
    [
      { state: 'R', threads: 4 },
      { state: '?', threads: 1 },
    ],
    3,
  )
  expect({ blocked, parked, running, unknown, total, threads }).toEqual({
    blocked: 0,
    parked: undefined,
    running: 1,
    unknown: 4,
    total: 5,
    threads: 8,
  })
})

test('the users that are logged in, with both sizes of a record', () => {
  for (const bytes of [384, 400]) {
    const utmp = Buffer.alloc(bytes * 3 + 10)
    utmp.writeInt16LE(7, 0)
    utmp.write('ada', 44)
    utmp.writeInt16LE(8, bytes)
    utmp.write('gone', bytes + 44)
    utmp.writeInt16LE(7, bytes * 2)
    utmp.write('a-name-of-thirty-two-characters!and-the-next-column', bytes * 2 + 44)
    expect(parseUtmp(utmp, bytes)).toEqual(['ada', 'a-name-of-thirty-two-characters!'])
  }
})
