import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CpuTimes, cpuUsage, parseCpuTimes } from './cpu.ts'
import { diskRates, parseDiskstats } from './diskio.ts'
import { counter } from './kernel-files.ts'
import { linuxMemValues, parseMeminfo } from './mem.ts'
import { chooseMounts, isRemote, type Mount, parseMountinfo } from './mounts.ts'
import { isReported, parseNetDev } from './net.ts'
import { prettyName } from './os-name.ts'
import { countProcesses, parseProcess } from './processes.ts'
import { parseSwapped } from './swap.ts'
import { countCpuList, parseLoadavg, parseUtmp } from './system.ts'

const times = fc.array(fc.nat(1_000_000), { minLength: 10, maxLength: 10 })

test('for any two readings of a core: no percentage below 0, and without guests beyond their hosts they sum to 100', () => {
  fc.assert(
    fc.property(times, times, (before, now) => {
      const usage = cpuUsage(before, now)
      if (usage === undefined) return
      for (const percent of usage) expect(percent).toBeGreaterThanOrEqual(0)
      const delta = (i: number) => Math.max(0, now[i]! - before[i]!)
      fc.pre(delta(8) <= delta(0) && delta(9) <= delta(1))
      const parts = usage.slice(0, -1).reduce((sum, percent) => sum + percent, 0)
      expect(parts).toBeCloseTo(100, 6)
    }),
  )
})

test('a core for which no time has passed has no usage', () => {
  const still: CpuTimes = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]
  expect(cpuUsage(still, still)).toBeUndefined()
})

/** The kernel's own escaping of a path in mountinfo (seq_path with " \t\n\\"). */
const escaped = (path: string) => path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`)

test('any path and device of a mount is read as it is', () => {
  const name = fc.string({ unit: fc.constantFrom(...'ab \t\n\\é🙂,-/0'), minLength: 1 })
  fc.assert(
    fc.property(name, name, (folder, device) => {
      const line = `36 35 98:0 /sub /${escaped(folder)} rw,noatime master:1 shared:7 - ext3 ${escaped(device)} rw,errors=continue`
      expect(parseMountinfo(`${line}\n`)).toEqual<Mount[]>([
        { device, path: `/${folder}`, fstype: 'ext3', root: '/sub', mode: 'rw', id: '98:0' },
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
  ['18446744073709551615', 1, 9_223_372_036_854_775_807n],
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
