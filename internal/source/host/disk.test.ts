import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SeriesTable } from '../../sample/series.ts'
import { type Problem, ProblemThrottle } from '../source.ts'
import { type Disk, DiskSpace, diskValues, type FileSystemSize } from './disk.ts'
import type { Surroundings } from './measurement.ts'

const SIZE: FileSystemSize = { bsize: 4096, blocks: 100, bfree: 40, bavail: 30, files: 10, ffree: 4 }

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

function disk(path: string, fstype = 'ext4'): Disk {
  return { at: path, mount: { device: 'dev', path, fstype, root: '/', mode: 'rw', id: path }, tags: [['path', path]] }
}

/** File systems that answer or hang as the test sets, with the calls, samples and problems recorded. */
function disks(list: Disk[]) {
  const problems: Problem[] = []
  const surroundings: Surroundings = {
    host: 'h',
    table: new SeriesTable(),
    monotonicMs: () => performance.now(),
    roots: { proc: '/proc', sys: '/sys', mount: '/' },
    problems: new ProblemThrottle('host', (problem) => problems.push(problem)),
    unavailable: new Map(),
  }
  const dead = new Set<string>()
  const waiting = new Map<string, (size: FileSystemSize) => void>()
  const asked: string[] = []
  const listed = vi.fn(() => list)
  const measurement = new DiskSpace(surroundings, {
    listDisks: listed,
    listEveryUs: 10e6,
    ask: (path) => {
      asked.push(path)
      if (!dead.has(path)) return Promise.resolve(SIZE)
      return new Promise((resolve) => waiting.set(path, resolve))
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
  return { collect, asked, dead, waiting, problems, listed }
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
  expect(await collect(3e6)).toEqual(['/', '/mnt/nfs', '/srv'])
  expect(vi.getTimerCount()).toBe(0)
})

test('asks at most two mounts of a dead server, and all local ones', async () => {
  const remote = Array.from({ length: 20 }, (_, i) => disk(`/mnt/${i}`, 'nfs'))
  const { collect, asked, dead, problems } = disks([...remote, disk('/')])
  for (const { at } of remote) dead.add(at)
  expect(await collect(1e6)).toEqual(['/'])
  expect(asked).toEqual(['/mnt/0', '/mnt/1', '/'])
  expect(await collect(2e6)).toEqual(['/'])
  expect(asked).toEqual(['/'])
  expect(problems).toHaveLength(20)
})

test('tells a mount that cannot be asked, and measures the others', async () => {
  const problems: Problem[] = []
  const measurement = new DiskSpace(
    {
      host: 'h',
      table: new SeriesTable(),
      monotonicMs: () => performance.now(),
      roots: { proc: '/proc', sys: '/sys', mount: '/' },
      problems: new ProblemThrottle('host', (problem) => problems.push(problem)),
      unavailable: new Map(),
    },
    {
      listDisks: () => [disk('/secret'), disk('/')],
      listEveryUs: 10e6,
      ask: async (path) => {
        if (path === '/secret') throw new Error('EACCES: permission denied')
        return SIZE
      },
    },
  )
  const paths: (string | undefined)[] = []
  await measurement.collect(1e6, (sample) => paths.push(sample.series.tag('path')))
  expect(paths).toEqual(['/'])
  expect(problems).toMatchObject([{ part: 'disk /secret', cause: { message: 'EACCES: permission denied' } }])
})

test('the list of mounts is read again after ten seconds, and when the clock was set back', async () => {
  const { collect, listed } = disks([disk('/')])
  for (const second of [100, 101, 109, 110, 111, 50]) await collect(second * 1e6)
  expect(listed).toHaveBeenCalledTimes(3)
})

test.each<[string, Partial<FileSystemSize>, number[] | undefined]>([
  ['df’s percentage', {}, [409_600, 122_880, 245_760, 66.66666666666667, 10, 4, 6, 60]],
  ['full for all but root', { bavail: 0 }, [409_600, 0, 245_760, 100, 10, 4, 6, 60]],
  ['no inodes', { files: 0, ffree: 0 }, [409_600, 122_880, 245_760, 66.66666666666667, 0, 0, 0, 0]],
  [
    'more free inodes than there are',
    { files: 1, ffree: 4 },
    [409_600, 122_880, 245_760, 66.66666666666667, 1, 4, 0, 0],
  ],
  ['no blocks', { blocks: 0, bfree: 0, bavail: 0 }, undefined],
])('the figures of a file system: %s', (_, change, expected) => {
  const values = diskValues({ ...SIZE, ...change })
  expect(values?.map((value) => Math.round(value * 1e9) / 1e9)).toEqual(
    expected?.map((value) => Math.round(value * 1e9) / 1e9),
  )
})
