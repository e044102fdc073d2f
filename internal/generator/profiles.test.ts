import { describe, expect, it } from 'vitest'
import { FabricProfile } from './fabric.ts'
import type { Profile } from './profile.ts'
import { SnapshotWriter } from './snapshot.ts'
import { SwitchProfile } from './switch.ts'
import { UfmProfile } from './ufm.ts'

const AT_US = 1_700_000_000_123_456
const INTERVAL_MS = 10_000

interface Size {
  readonly switches: number
  readonly portsPerSwitch?: number
  readonly seed?: number
}

const MAKERS = {
  switch: ({ switches, seed = 7 }: Size) => new SwitchProfile({ switches, intervalMs: INTERVAL_MS, seed }),
  fabric: ({ switches, seed = 7 }: Size) => new FabricProfile({ switches, intervalMs: INTERVAL_MS, seed }),
  ufm: ({ switches, portsPerSwitch = 8, seed = 7 }: Size) =>
    new UfmProfile({ switches, portsPerSwitch, intervalMs: INTERVAL_MS, seed }),
} satisfies Record<string, (size: Size) => Profile>
const NAMES = ['switch', 'fabric', 'ufm'] as const

async function texts(profile: Profile, count: number): Promise<string[]> {
  const writer = new SnapshotWriter(profile)
  const made: string[] = []
  for (let i = 0; i < count; i++) {
    const { body } = await writer.write(AT_US + i * INTERVAL_MS * 1_000)
    made.push(Buffer.concat(body.pieces).toString('latin1'))
  }
  return made
}

/** Cells by row and column name. */
function cellsOf(text: string): Array<Record<string, string>> {
  const [header, ...lines] = text.trimEnd().split(/\r?\n/)
  const columns = header!.split(',')
  return lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [columns[i]!, cell])))
}

const ID_COLUMNS = ['timestamp', 'source_id', 'tag', 'node_guid', 'port_guid', 'port_num', 'switch_id', 'Port_Status']

describe.each(NAMES)('%s', (name) => {
  const make = MAKERS[name]

  it('is what it was', async () => {
    const made = await texts(make({ switches: 12, portsPerSwitch: 3 }), 3)
    await expect(made.join('')).toMatchFileSnapshot(`testdata/${name}.csv`)
  })

  it('has the same bytes for the same seed and number, and others for another seed', async () => {
    const size = { switches: 40 }
    const once = await texts(make(size), 5)
    expect(await texts(make(size), 5)).toEqual(once)
    expect((await texts(make({ ...size, seed: 8 }), 5))[4]).not.toBe(once[4])
    expect(once[4]).not.toBe(once[3])
  })

  it('has as many rows as it says, none twice, each with a cell for every column and an end', async () => {
    const profile = make({ switches: 300, portsPerSwitch: 20 })
    const [text = ''] = await texts(profile, 1)
    expect(text.startsWith(profile.header)).toBe(true)
    const end = name === 'fabric' ? '\r\n' : '\n'
    const lines = text.split(end)
    expect(lines.pop()).toBe('')
    expect(lines).toHaveLength(1 + profile.rows)
    const columns = profile.header.split(',').length
    expect(lines.filter((line) => line.split(',').length !== columns || /[\r\n]/.test(line))).toEqual([])
    const who = cellsOf(text).map((row) => `${row.switch_id ?? `${row.node_guid}_${row.port_num}`}`)
    expect(new Set(who).size).toBe(profile.rows)
    for (const column of profile.names) expect(profile.header.split(',')).toContain(column)
  })

  it('writes no row longer than it says', async () => {
    const profile = make({ switches: 2_000, portsPerSwitch: 2 })
    const longest = (await texts(profile, 4))
      .flatMap((text) => text.split('\n').slice(1))
      .map(({ length }) => length + 1)
    expect(Math.max(...longest)).toBeLessThanOrEqual(profile.mostRowBytes)
  })

  it('lets others work while it makes a large one', async () => {
    let turns = 0
    let isDone = false
    const count = (): void => {
      turns++
      if (!isDone) setImmediate(count)
    }
    setImmediate(count)
    await texts(make({ switches: name === 'ufm' ? 1_000 : 32_000, portsPerSwitch: 32 }), 1)
    isDone = true
    expect(turns).toBeGreaterThan(1)
  })

  it('has counters that never fall, and stay within 63 bits', async () => {
    const snapshots = (await texts(make({ switches: 64, portsPerSwitch: 16 }), 60)).map(cellsOf)
    const isCounter = (column: string): boolean =>
      !ID_COLUMNS.includes(column) && snapshots.every((rows) => rows.every((row) => /^\d+$/.test(row[column]!)))
    const counters = Object.keys(snapshots[0]![0]!).filter(isCounter)
    expect(counters).toHaveLength({ switch: 1, fabric: 1, ufm: 28 }[name])
    const fallen: string[] = []
    let risen = 0
    for (const [i, rows] of snapshots.slice(1).entries()) {
      for (const [at, row] of rows.entries()) {
        for (const column of counters) {
          const [before, now] = [BigInt(snapshots[i]![at]![column]!), BigInt(row[column]!)]
          if (now < before || now > 2n ** 63n - 1n) fallen.push(`${column} of row ${at}: ${before}, then ${now}`)
          if (now > before) risen++
        }
      }
    }
    expect(fallen).toEqual([])
    expect(risen).toBeGreaterThan(0)
  })
})

describe('how the values go together', () => {
  it('latency follows the load of the switch, whatever the switch', async () => {
    const rows = (await texts(MAKERS.switch({ switches: 200 }), 20)).flatMap(cellsOf)
    const byLoad = rows
      .map((row) => [Number(row.bandwidth_mbps), Number(row.latency_ms)] as const)
      .sort(([a], [b]) => a - b)
    const latencies = byLoad.map(([, latency]) => latency)
    expect(latencies).toEqual(latencies.toSorted((a, b) => a - b))
    expect(latencies.at(-1)! / latencies[0]!).toBeGreaterThan(10)
  })

  it('a few switches are congested, most are not', async () => {
    const last = cellsOf((await texts(MAKERS.switch({ switches: 300 }), 100)).at(-1)!)
    const busy = last.filter((row) => Number(row.bandwidth_mbps) > 350_000).length
    expect(busy).toBeGreaterThan(0)
    expect(busy).toBeLessThan(60)
  })

  it('errors are rare, and come in clusters', async () => {
    const snapshots = (await texts(MAKERS.switch({ switches: 400 }), 100)).map(cellsOf)
    const failed = snapshots
      .slice(1)
      .map((rows, i) => rows.map((row, at) => row.packet_errors !== snapshots[i]![at]!.packet_errors))
    const all = failed.flat()
    const share = all.filter(Boolean).length / all.length
    expect(share).toBeGreaterThan(0)
    expect(share).toBeLessThan(0.05)
    // After one with errors the next has errors far more often than any other.
    const pairs = failed.slice(1).flatMap((rows, i) => rows.filter((_, at) => failed[i]![at]))
    expect(pairs.filter(Boolean).length / pairs.length).toBeGreaterThan(10 * share)
  })

  it('fabric says in words how a port is, and nothing moves where it is down', async () => {
    const rows = (await texts(MAKERS.fabric({ switches: 400 }), 100)).flatMap(cellsOf)
    expect(new Set(rows.map((row) => row.Port_Status))).toEqual(new Set(['UP', 'DOWN', 'DEGRADED']))
    const down = rows.filter((row) => row.Port_Status === 'DOWN')
    expect(new Set(down.map((row) => row.Bandwidth_Rx_Gbps))).toEqual(new Set(['0.00']))
  })

  it('fabric and switch number as their systems do, with as many digits as needed', async () => {
    const ids = async (name: 'switch' | 'fabric', switches: number): Promise<string[]> =>
      cellsOf((await texts(MAKERS[name]({ switches }), 1))[0]!).map((row) => row.switch_id!)
    expect(await ids('switch', 3)).toEqual(['sw1', 'sw2', 'sw3'])
    const many = await ids('fabric', 101)
    expect([many[0], many[9], many[10], many[99], many[100]]).toEqual(['SW-00', 'SW-09', 'SW-10', 'SW-99', 'SW-100'])
  })

  it('ufm has counters beyond 2^53, one that passes it, and some at the largest value', async () => {
    const [first, last] = [0, 11].map((i) => i)
    const snapshots = (await texts(MAKERS.ufm({ switches: 4, portsPerSwitch: 32 }), 12)).map(cellsOf)
    const words = (at: number): bigint[] => snapshots[at]!.map((row) => BigInt(row.PortXmitDataExtended!))
    const passing = words(first!).filter((value, row) => value < 2n ** 53n && words(last!)[row]! > 2n ** 53n)
    expect(passing.length).toBeGreaterThan(0)
    expect(words(last!).filter((value) => value > 2n ** 63n - 2n ** 57n).length).toBeGreaterThan(0)
    const waits = snapshots.at(-1)!.map((row) => row.PortXmitWaitExtended)
    expect(waits).toContain('9223372036854775807')
    // Read as a double it would be another number.
    expect(waits.some((text) => BigInt(text!) !== BigInt(Number(text)))).toBe(true)
    const downed = snapshots.at(-1)!.map((row) => row.LinkDownedCounterExtended)
    expect(downed).toContain('255')
  })

  it('ufm has 31 figures a port, times in µs, GUIDs, and no value where a port is down', async () => {
    const profile = MAKERS.ufm({ switches: 400, portsPerSwitch: 2 })
    const columns = profile.header.trimEnd().split(',')
    expect(columns.slice(0, 7)).toEqual([
      ...['timestamp', 'source_id', 'tag', 'node_guid', 'port_guid', 'port_num', 'PortXmitDataExtended'],
    ])
    expect(columns).toHaveLength(6 + 31)
    const rows = (await texts(profile, 60)).flatMap(cellsOf)
    expect(rows[0]!.timestamp).toBe(`${AT_US}`)
    for (const column of ['source_id', 'node_guid', 'port_guid']) {
      expect(rows.filter((row) => !/^0x[\da-f]{16}$/.test(row[column]!))).toEqual([])
    }
    const down = rows.filter((row) => row.infiniband_CBW === '')
    expect(down.length).toBeGreaterThan(0)
    expect(down.length).toBeLessThan(rows.length / 20)
  })
})
