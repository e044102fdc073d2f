import { cpus, loadavg, platform, uptime } from 'node:os'
import type { SampleSink } from '../../sample/sample.ts'
import type { Slot, Tag } from '../../sample/value.ts'
import { Cpu, type CpuTimes } from './cpu.ts'
import { DiskSpace, type TaggedDisk } from './disk.ts'
import type { FieldList, Measurement, Surroundings } from './measurement.ts'
import { MEM_FIELDS, memValues } from './mem.ts'
import { NET_FIELDS } from './net.ts'
import { Rows } from './rows.ts'
import { STACKED } from './stacking.ts'
import { SWAP_FIELDS, swapValues } from './swap.ts'
import { SYSTEM_FIELDS } from './system.ts'

/** The part of `systeminformation` that is used. On macOS and Windows each call starts child processes. */
export type SystemInformation = Pick<typeof import('systeminformation'), 'mem' | 'networkStats' | 'fsSize'>

/**
 * A child process costs milliseconds of CPU, and hundreds of them on Windows (PowerShell). So it is started this
 * seldom.
 */
const CHILD_PROCESS_EVERY_US = 30e6

/**
 * Interfaces whose bytes a network card counts too, by the names that macOS (bridges, VLANs, tunnels, virtual machines)
 * and Windows (virtual switches) give them: nothing else tells.
 */
const MADE_OF_OTHERS = /^(?:(?:bridge|bond|vlan|utun|ipsec|ppp|gif|stf|feth|vmnet|vmenet)\d+$|vEthernet)/

const NOT_HERE = 'only measured on Linux: elsewhere it takes a child process each time'

/**
 * macOS and Windows. At each tick: cores, load and uptime from Node itself, the size of disks by `statfs`. Twice a
 * minute: memory, swap and network from `systeminformation`, which is loaded at the first use to save its memory on
 * Linux.
 */
export function nonLinuxMeasurements(
  surroundings: Surroundings,
  load: () => Promise<SystemInformation> = () => import('systeminformation'),
): Measurement[] {
  const { unavailable } = surroundings
  unavailable.set('diskio', NOT_HERE)
  unavailable.set('processes', NOT_HERE)
  unavailable.set('net.packets_sent, net.packets_recv, net.speed', NOT_HERE)
  unavailable.set('swap.in, swap.out', NOT_HERE)
  if (platform() === 'win32') unavailable.set('system.load1, system.load5, system.load15', 'Windows does not have it')
  return [
    new Cpu(surroundings, { read: readCpus, tickMs: 1 }),
    new NonLinuxSystem(surroundings),
    new DiskSpace(surroundings, {
      listDisks: async () => ({ disks: await listDisks(await load()), devices: new Set<number>() }),
      listEveryUs: CHILD_PROCESS_EVERY_US,
    }),
    new Seldom('mem', MEM_FIELDS, surroundings, async () => {
      const { total, available } = await (await load()).mem()
      return [{ tags: [], values: memValues(total, available) }]
    }),
    new Seldom('swap', SWAP_FIELDS, surroundings, async () => {
      const { swaptotal, swapfree } = await (await load()).mem()
      return [{ tags: [], values: swapValues(swaptotal, swapfree) }]
    }),
    new Seldom('net', NET_FIELDS, surroundings, async () => {
      const all = await (await load()).networkStats('*')
      return all
        .filter(({ iface, operstate }) => operstate !== 'down' && !/^lo\d*$/.test(iface))
        .filter(({ iface }) => !surroundings.excludesInterface(iface))
        .map((n) => ({
          tags: MADE_OF_OTHERS.test(n.iface) ? [['interface', n.iface], STACKED] : [['interface', n.iface]],
          values: [
            ...[n.tx_bytes, n.rx_bytes, undefined, undefined],
            ...[n.rx_errors, n.tx_errors, n.rx_dropped, n.tx_dropped],
          ],
        }))
    }),
  ]
}

/** In the columns of /proc/stat, but in milliseconds. The unit does not matter: only shares of time are computed. */
function readCpus(): Map<string, CpuTimes> {
  const times = new Map<string, CpuTimes>()
  const total = new Array<number>(10).fill(0)
  for (const [i, { times: t }] of cpus().entries()) {
    const columns = [t.user, t.nice, t.sys, t.idle, 0, t.irq, 0, 0, 0, 0]
    times.set(`cpu${i}`, columns)
    for (const [c, value] of columns.entries()) total[c]! += value
  }
  times.set('cpu-total', total)
  return times
}

async function listDisks(si: SystemInformation): Promise<TaggedDisk[]> {
  const sizes = await si.fsSize()
  return sizes.map(({ fs, type, mount, rw }) => {
    const mode = rw === false ? 'ro' : 'rw'
    return {
      at: mount,
      mount: { device: fs, path: mount, fstype: type, root: '/', mode, id: fs, options: '' },
      tags: [
        ['path', mount],
        ['device', fs.replaceAll('/dev/', '')],
        ['fstype', type],
        ['mode', mode],
      ],
    }
  })
}

class NonLinuxSystem implements Measurement {
  readonly name = 'system'
  readonly #rows: Rows

  constructor(surroundings: Surroundings) {
    this.#rows = new Rows(this.name, SYSTEM_FIELDS, surroundings)
  }

  collect(atUs: number, emit: SampleSink): void {
    const load = platform() === 'win32' ? [undefined, undefined, undefined] : loadavg()
    this.#rows.emit(atUs, [], [...load, cpus().length, Math.floor(uptime())], emit)
  }
}

interface Reading {
  readonly tags: readonly Tag[]
  readonly values: readonly Slot[]
}

/** A measurement that is read twice a minute. In between it gives no samples; after a failure it fails again. */
class Seldom implements Measurement {
  readonly name: string
  readonly #rows: Rows
  readonly #read: () => Promise<Reading[]>
  #readAtUs = Number.NEGATIVE_INFINITY
  #failure: unknown

  constructor(name: string, fields: FieldList, surroundings: Surroundings, read: () => Promise<Reading[]>) {
    this.name = name
    this.#rows = new Rows(name, fields, surroundings)
    this.#read = read
  }

  async collect(atUs: number, emit: SampleSink): Promise<void> {
    if (Math.abs(atUs - this.#readAtUs) >= CHILD_PROCESS_EVERY_US) await this.#readNow(atUs, emit)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #readNow(atUs: number, emit: SampleSink): Promise<void> {
    this.#readAtUs = atUs
    this.#failure = undefined
    try {
      for (const { tags, values } of await this.#read()) this.#rows.emit(atUs, tags, values, emit)
    } catch (cause) {
      this.#failure = cause
    }
  }
}
