import { cpus } from 'node:os'
import { expect, test, vi } from 'vitest'
import { surroundings } from '../../../test/support/surroundings.ts'
import { encodeLineText } from '../../format/line/encode.ts'
import { SeriesTable } from '../../sample/series.ts'
import { nonLinuxMeasurements, type SystemInformation } from './non-linux.ts'
import { HostSource } from './source.ts'

const GIB = 2 ** 30

function laptop() {
  const calls = {
    mem: vi.fn(async () => ({ total: 16 * GIB, available: 4 * GIB, swaptotal: 2 * GIB, swapfree: GIB })),
    networkStats: vi.fn(async () => [
      {
        iface: 'lo0',
        operstate: 'up',
        tx_bytes: 1,
        rx_bytes: 1,
        tx_errors: 0,
        rx_errors: 0,
        tx_dropped: 0,
        rx_dropped: 0,
      },
      {
        iface: 'en0',
        operstate: 'up',
        tx_bytes: 10,
        rx_bytes: 20,
        tx_errors: 1,
        rx_errors: 2,
        tx_dropped: 3,
        rx_dropped: 4,
      },
      {
        iface: 'en1',
        operstate: 'down',
        tx_bytes: 5,
        rx_bytes: 5,
        tx_errors: 0,
        rx_errors: 0,
        tx_dropped: 0,
        rx_dropped: 0,
      },
    ]),
    fsSize: vi.fn(async () => [{ fs: '/dev/disk3s1', type: 'APFS', mount: '/', rw: true }]),
  }
  const here = surroundings({ host: 'laptop' })
  const { unavailable } = here
  const measurements = nonLinuxMeasurements(here, async () => calls as unknown as SystemInformation)
  const collect = async (atUs: number) => {
    const lines: string[] = []
    for (const measurement of measurements)
      await measurement.collect(atUs, (sample) => lines.push(encodeLineText(sample)))
    return lines
  }
  return { measurements, collect, calls, unavailable }
}

test('starts a child process twice a minute, and reads the rest at each tick', async () => {
  const { collect, calls } = laptop()
  const first = (await collect(1e6)).map((line) => line.replace(/ \d+$/, ''))
  expect(first).toContain('swap,host=laptop total=2147483648i,used=1073741824i,free=1073741824i,used_percent=50')
  expect(first).toContain(
    'net,host=laptop,interface=en0 bytes_sent=10i,bytes_recv=20i,err_in=2i,err_out=1i,drop_in=4i,drop_out=3i',
  )
  expect(first.filter((line) => line.startsWith('net,'))).toHaveLength(1)
  expect(first.find((line) => line.startsWith('mem,'))).toContain('used=12884901888i,used_percent=75')
  expect(first.find((line) => line.startsWith('disk,'))).toContain(
    'device=disk3s1,fstype=APFS,host=laptop,mode=rw,path=/',
  )

  const second = (await collect(2e6)).map((line) => line.split(',', 1)[0])
  expect(new Set(second)).toEqual(new Set(['system', 'disk', ...(second.includes('cpu') ? ['cpu'] : [])]))
  for (const later of [30, 31]) await collect(later * 1e6)
  expect(calls.mem).toHaveBeenCalledTimes(4)
  expect(calls.networkStats).toHaveBeenCalledTimes(2)
})

test('marks the interfaces whose bytes a network card counts too, by their names', async () => {
  const { collect, calls } = laptop()
  const names = ['en0', 'utun3', 'bridge100', 'vmenet0', 'awdl0', 'Ethernet 2', 'vEthernet (WSL)']
  const zero = { tx_bytes: 0, rx_bytes: 0, tx_errors: 0, rx_errors: 0, tx_dropped: 0, rx_dropped: 0 }
  calls.networkStats.mockResolvedValue(names.map((iface) => ({ iface, operstate: 'up', ...zero })))
  const marked = (await collect(1e6))
    .filter((line) => line.includes(',stacked=true '))
    .map((line) => line.split(',')[2])
  expect(marked).toEqual(['utun3', 'bridge100', 'vmenet0', 'vEthernet\\ (WSL)'].map((name) => `interface=${name}`))
})

test('computes the same usage from the cores of Node as from those of the kernel', async () => {
  const { measurements } = laptop()
  const cpu = measurements.find(({ name }) => name === 'cpu')!
  cpu.prime!()
  const until = performance.now() + 100
  while (performance.now() < until);
  const names: (string | undefined)[] = []
  await cpu.collect(1e6, (sample) => {
    names.push(sample.series.tag('cpu'))
    const sum = sample.values.slice(0, -1).reduce<number>((total, value) => total + Number(value), 0)
    expect(sum).toBeCloseTo(100, 6)
  })
  expect(names).toContain('cpu-total')
  expect(names.length).toBeLessThanOrEqual(cpus().length + 1)
})

test('tries a failed child process again half a minute later, and fails until then', async () => {
  const { measurements, calls } = laptop()
  const mem = measurements.find(({ name }) => name === 'mem')!
  calls.mem.mockRejectedValueOnce(new Error('spawn vm_stat EAGAIN'))
  for (const second of [1, 2, 30]) await expect(mem.collect(second * 1e6, () => {})).rejects.toThrow('EAGAIN')
  expect(calls.mem).toHaveBeenCalledTimes(1)
  await mem.collect(31e6, () => {})
  expect(calls.mem).toHaveBeenCalledTimes(2)
})

test('says in words what it does not measure', () => {
  const { unavailable } = laptop()
  expect([...unavailable.keys()]).toEqual(expect.arrayContaining(['diskio', 'processes', 'swap.in, swap.out']))
})

test('HostSource uses these on another platform', async () => {
  const source = new HostSource({
    host: 'laptop',
    table: new SeriesTable(),
    monotonicMs: () => performance.now(),
    include: ['system'],
    onProblem: () => {},
    platform: 'darwin',
  })
  const lines: string[] = []
  await source.collect(1e6, (sample) => lines.push(encodeLineText(sample)))
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^system,host=laptop load1=[\d.]+,load5=[\d.]+,load15=[\d.]+,n_cpus=\d+i,uptime=\d+i /)
})
