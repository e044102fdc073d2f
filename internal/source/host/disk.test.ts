import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { surroundings } from '../../../test/support/surroundings.ts'
import { DiskSpace, diskValues, type TaggedDisk } from './disk.ts'
import type { FileSystemSize } from './mount-asker.ts'

const SIZE: FileSystemSize = { bsize: 4096, blocks: 100, bfree: 40, bavail: 30, files: 10, ffree: 4 }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** The devices are numbered by their names, so that each path has its own. */
const numberOf = (device: string): number => Buffer.from(device).reduce((sum, byte) => sum * 31 + byte, 7)

function disk(path: string, fstype = 'ext4', device = `/dev/${path}`): TaggedDisk {
  const mount = { device, path, fstype, root: '/', mode: 'rw', id: path, options: 'rw' } as const
  return { at: path, mount, device: numberOf(device), tags: [['path', path]] }
}

/** File systems that answer or hang as the test sets, with the calls, samples and problems recorded. */
function disks(list: TaggedDisk[]) {
  const here = surroundings()
  const dead = new Set<string>()
  const waiting = new Map<string, (size: FileSystemSize) => void>()
  const asked: string[] = []
  /** What is at a path, where that is not what the list says; undefined for nothing. */
  const found = new Map<string, number | undefined>()
  const listed = vi.fn(() => list)
  const running = { now: 0, most: 0 }
  const measurement = new DiskSpace(here, {
    listDisks: () => {
      const disks = listed()
      return { disks, devices: new Set([numberOf('root'), ...disks.map(({ device }) => device!)]) }
    },
    listEveryUs: 10e6,
    calls: {
      size: async (path) => {
        asked.push(path)
        running.most = Math.max(running.most, ++running.now)
        if (dead.has(path)) await new Promise((resolve) => waiting.set(path, resolve as () => void))
        running.now--
        return SIZE
      },
      device: async (path) => {
        const listedHere = list.find(({ at }) => at === path)?.device
        const device = found.has(path) ? found.get(path) : (listedHere ?? numberOf('root'))
        if (device === undefined) throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' })
        return device
      },
    },
  })
  const collect = async (atUs: number) => {
    const paths: (string | undefined)[] = []
    asked.length = 0
    const done = measurement.collect(atUs, (sample) => paths.push(sample.series.tag('path')))
    await vi.advanceTimersByTimeAsync(900)
    await done
    return paths
  }
  const counted = () => Object.fromEntries([...here.leftOut.counts].filter(([, count]) => count > 0))
  return { collect, asked, dead, waiting, problems: here.told, listed, found, running, counted }
}

test('a mount that gives no answer is left out, said once, not asked again, and comes back when it answers', async () => {
  const { collect, asked, dead, waiting, problems } = disks([disk('/'), disk('/mnt/nfs', 'nfs4'), disk('/srv')])
  dead.add('/mnt/nfs')
  expect(await collect(1e6)).toEqual(['/', '/srv'])
  expect(asked).toEqual(['/', '/mnt/nfs', '/srv'])
  expect(await collect(2e6)).toEqual(['/', '/srv'])
  expect(asked).toEqual(['/', '/srv'])
  expect(problems).toMatchObject([
    { part: 'disk /mnt/nfs', message: expect.stringContaining('no answer within 400 ms') },
  ])
  dead.delete('/mnt/nfs')
  waiting.get('/mnt/nfs')!(SIZE)
  await vi.advanceTimersByTimeAsync(0)
  expect(await collect(3e6)).toEqual(['/', '/mnt/nfs', '/srv'])
  expect(vi.getTimerCount()).toBe(0)
})

test.each([
  ['20 mounts of a dead server', Array.from({ length: 20 }, (_, i) => disk(`/mnt/${i}`, 'nfs', `nas:/export/${i}`)), 1],
  ['5 mounts of a ZFS pool', Array.from({ length: 5 }, (_, i) => disk(`/tank/${i}`, 'zfs', `tank/data-${i}`)), 1],
  ['3 servers that are all away', ['a', 'b', 'c'].map((name) => disk(`/mnt/${name}`, 'nfs4', `${name}:/`)), 1],
  ['4 local disks', ['a', 'b', 'c', 'd'].map((name) => disk(`/${name}`, 'xfs', `/dev/sd${name}1`)), 2],
])('%s that hang, of any type: at most two threads, each said once, counted', async (_, hung, threads) => {
  const { collect, asked, dead, problems, running, counted, waiting } = disks([...hung, disk('/')])
  for (const { at } of hung) dead.add(at)
  // With both threads taken nothing can be asked any more.
  const healthy = threads === 1 ? ['/'] : []
  for (const tick of [1, 2, 3]) expect(await collect(tick * 1e6)).toEqual(healthy)
  expect(asked).toEqual(healthy)
  expect(running).toEqual({ now: threads, most: 2 })
  expect(problems).toHaveLength(hung.length + 1 - healthy.length)
  expect(problems.at(-1)!.message).toContain(`is not asked while no answer comes from ${hung[0]!.at}`)
  expect(counted()).toEqual({ no_answer: threads * 3, not_asked: (problems.length - threads) * 3 })
  dead.clear()
  for (const answer of waiting.values()) answer(SIZE)
  await vi.advanceTimersByTimeAsync(0)
  expect(await collect(4e6)).toEqual([...hung, disk('/')].map(({ at }) => at))
})

test('while a server is away, the other servers are not asked, and local disks are', async () => {
  const { collect, asked, dead } = disks([
    disk('/mnt/a', 'nfs', 'a:/x'),
    disk('/mnt/b', 'cifs', '//b/x'),
    disk('/'),
    disk('/srv', 'zfs', 'tank/srv'),
  ])
  dead.add('/mnt/a')
  expect(await collect(1e6)).toEqual(['/', '/srv'])
  expect(asked).toEqual(['/mnt/a', '/', '/srv'])
})

test('tells a mount that cannot be asked, and measures the others', async () => {
  const here = surroundings()
  const measurement = new DiskSpace(here, {
    listDisks: () => ({ disks: [disk('/secret'), disk('/')], devices: new Set() }),
    listEveryUs: 10e6,
    calls: {
      size: async () => SIZE,
      device: async (path) => {
        if (path === '/secret') throw new Error('EACCES: permission denied')
        return numberOf(`/dev/${path}`)
      },
    },
  })
  const paths: (string | undefined)[] = []
  await measurement.collect(1e6, (sample) => paths.push(sample.series.tag('path')))
  expect(paths).toEqual(['/'])
  expect(here.told).toMatchObject([{ part: 'disk /secret', cause: { message: 'EACCES: permission denied' } }])
})

test.each<[string, number | undefined]>([
  ['unmounted: the folder is the root’s', numberOf('root')],
  ['unmounted, and its folder removed', undefined],
  ['covered by another mount of the list', numberOf('/dev//srv')],
  ['covered by a mount that is newer than the list', 4711],
])('%s: no sample from that moment, and the list is read again', async (_, device) => {
  const list = [disk('/'), disk('/mnt/usb'), disk('/srv')]
  const { collect, found, problems, listed, counted } = disks(list)
  expect(await collect(100e6)).toEqual(['/', '/mnt/usb', '/srv'])
  found.set('/mnt/usb', device)
  expect(await collect(101e6)).toEqual(['/', '/srv'])
  listed.mockReturnValue(list.filter(({ at }) => at !== '/mnt/usb'))
  expect(await collect(102e6)).toEqual(['/', '/srv'])
  expect(listed).toHaveBeenCalledTimes(2)
  // To unmount a disk is no problem.
  expect(problems).toEqual([])
  expect(counted()).toEqual({})
})

test('a mount that does not reach the container is left out, said once, counted, and seen when it does', async () => {
  const { collect, found, problems, listed, counted } = disks([disk('/'), disk('/mnt/disk')])
  found.set('/mnt/disk', numberOf('root'))
  for (const second of [100, 101, 102, 103]) expect(await collect(second * 1e6)).toEqual(['/'])
  expect(listed).toHaveBeenCalledTimes(1)
  expect(problems).toMatchObject([{ part: 'disk /mnt/disk', message: expect.stringContaining('rslave') }])
  expect(counted()).toEqual({ other_file_system: 4 })
  found.delete('/mnt/disk')
  expect(await collect(104e6)).toEqual(['/', '/mnt/disk'])
})

test('a subvolume, whose files have a device number of their own, is measured until the number changes', async () => {
  const { collect, found, listed } = disks([disk('/'), disk('/home', 'btrfs')])
  found.set('/home', 53)
  for (const second of [100, 101, 102]) expect(await collect(second * 1e6)).toEqual(['/', '/home'])
  found.set('/home', 54)
  expect(await collect(103e6)).toEqual(['/'])
  // It is what the new list says.
  expect(await collect(104e6)).toEqual(['/', '/home'])
  expect(listed).toHaveBeenCalledTimes(2)
  // A btrfs that is unmounted from a folder of another subvolume.
  found.set('/home', 60)
  found.set('/', 60)
  expect(await collect(105e6)).toEqual([])
  expect(await collect(106e6)).toEqual([])
})

test('the list of mounts is read again after ten seconds, and when the clock was set back', async () => {
  const { collect, listed } = disks([disk('/')])
  for (const second of [100, 101, 109, 110, 111, 50]) await collect(second * 1e6)
  expect(listed).toHaveBeenCalledTimes(3)
})

const NONE = undefined
const MAX = 2 ** 64

test.each<[string, Partial<FileSystemSize>, (number | undefined)[] | undefined, boolean]>([
  ['df’s percentage', {}, [409_600, 122_880, 245_760, 66.666666667, 10, 4, 6, 60], false],
  ['full for all but root', { bavail: 0 }, [409_600, 0, 245_760, 100, 10, 4, 6, 60], false],
  ['full into its reserve, 2^64 − 5 blocks', { bavail: MAX - 5 }, [409_600, 0, 245_760, 100, 10, 4, 6, 60], true],
  [
    'the same of NFS, which divides the bytes',
    { bavail: MAX / 4096 - 5 },
    [409_600, 0, 245_760, 100, 10, 4, 6, 60],
    true,
  ],
  ['the same in 32 bits', { bavail: 2 ** 32 - 5 }, [409_600, 0, 245_760, 100, 10, 4, 6, 60], true],
  ['nothing free, and less', { bfree: MAX - 1, bavail: MAX - 9 }, [409_600, 0, 409_600, 100, 10, 4, 6, 60], true],
  ['more for users than for root', { bavail: 50 }, [409_600, 163_840, 245_760, 60, 10, 4, 6, 60], true],
  ['more free than there is', { bfree: 150 }, [409_600, 122_880, -204_800, 250, 10, 4, 6, 60], false],
  ['no inodes', { files: 0, ffree: 0 }, [409_600, 122_880, 245_760, 66.666666667, 0, 0, 0, NONE], false],
  ['free inodes below 0', { ffree: MAX - 1 }, [409_600, 122_880, 245_760, 66.666666667, 10, 0, 10, 100], true],
  ['more free inodes than there are', { files: 1 }, [409_600, 122_880, 245_760, 66.666666667, 1, 4, -3, -300], false],
  ['all blocks reserved', { bfree: 100, bavail: 0 }, [409_600, 0, 0, NONE, 10, 4, 6, 60], false],
  ['no blocks', { blocks: 0, bfree: 0, bavail: 0 }, NONE, false],
  ['2^64 − 1 blocks', { blocks: MAX }, [MAX * 4096], false],
])('the figures of a file system, %s', (_, change, expected, clamped) => {
  const { values, clamped: isClamped } = diskValues({ ...SIZE, ...change })
  expect(values?.map((value) => value && Math.round(value * 1e9) / 1e9)).toEqual(expected)
  expect(isClamped).toBe(clamped)
})
