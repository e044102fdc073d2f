import type { LiveChannel } from '../../internal/broker/broker.ts'
import { LiveAnnouncer } from '../../internal/live/announcer.ts'
import { isRefusal } from '../../internal/sample/border.ts'
import type { Sample } from '../../internal/sample/sample.ts'
import { SeriesTable } from '../../internal/sample/series.ts'
import type { FieldValue } from '../../internal/sample/value.ts'
import { WallClock } from '../../internal/time/clock.ts'
import { kindOf } from './live-feed.ts'

type Fields = Readonly<Record<string, FieldValue>>

/** The series that an agent sends of a machine with one disk and two interfaces, and those of its own. */
function seriesOf(number: number): Array<readonly [measurement: string, tags: Record<string, string>, fields: Fields]> {
  const busy = number % 100
  const net = { bytes_recv: 1n, bytes_sent: 2n, packets_recv: 3n, packets_sent: 4n, err_in: 0n }
  const cpu = { usage_idle: 100 - busy, usage_user: busy, usage_system: 0, usage_iowait: 0, usage_steal: 0 }
  return [
    ['cpu', { cpu: 'cpu-total' }, cpu],
    ['mem', {}, { used_percent: 61.5, total: 16n, used: 9n, cached: 4n, free: 3n }],
    ['system', {}, { load1: 0.42, load5: 0.4, load15: 0.38, n_cpus: 8n, uptime: 1_036_800n }],
    ['swap', {}, { used_percent: 0, total: 0n, used: 0n, free: 0n, in: 0n }],
    ['processes', {}, { running: 1n, sleeping: 200n, blocked: 0n, zombies: 0n, total: 201n }],
    ['kernel', {}, { interrupts: 1n, context_switches: 2n, boot_time: 3n, processes_forked: 4n, entropy_avail: 256n }],
    [
      'disk',
      { device: 'sda1', path: '/', fstype: 'ext4' },
      { used_percent: 61, total: 100n, used: 61n, free: 39n, inodes_used: 7n },
    ],
    ['diskio', { name: 'sda' }, { read_bytes: 1n, write_bytes: 2n, reads: 3n, writes: 4n, io_time: 5n }],
    ['net', { interface: 'eth0' }, net],
    ['net', { interface: 'lo' }, net],
    [
      'sentinel_pipeline',
      { role: 'agent' },
      {
        ...{ produced: 11n, sent: 11n, dropped: 0n, held: 0n, samples_per_second: 0, interval_ms: 1000n },
        ...{ version: '1.0.0', os: 'Debian GNU/Linux 12' },
      },
    ],
  ]
}

/** Many hosts of which a server announces eleven series each, over a live channel. */
export class Fleet {
  readonly #clock = new WallClock()
  readonly #announcer: LiveAnnouncer
  readonly #table = new SeriesTable({ maxSeries: 10_000_000 })
  readonly #hosts = new Map<string, Sample[]>()

  constructor(channel: LiveChannel) {
    this.#announcer = new LiveAnnouncer({ channel, run: 'fleet-1', clock: this.#clock })
  }

  /** From now on `beat` sends this host. The use of its CPU is the last two digits of its number, percent. */
  add(host: string, number: number): void {
    const samples = seriesOf(number).map(([measurement, tags, fields]) =>
      this.#sample(measurement, { ...tags, host }, fields),
    )
    this.#hosts.set(host, samples)
  }

  remove(host: string): void {
    this.#hosts.delete(host)
  }

  /** Announces a sample of each series of every host, or of one part of them. */
  beat(part = 0, parts = 1): void {
    const now = this.#clock.now()
    let index = 0
    for (const samples of this.#hosts.values()) {
      if (index++ % parts !== part) continue
      for (const sample of samples) {
        sample.at = now
        this.#announcer.record(sample, now)
      }
    }
    this.#announcer.announce()
  }

  #sample(measurement: string, tags: Readonly<Record<string, string>>, fields: Fields): Sample {
    const series = this.#table.intern(measurement, Object.entries(tags), 1)
    if (isRefusal(series)) throw new Error(series.detail)
    const sample: Sample = { series, values: [], at: 0, tie: 0 }
    for (const [name, value] of Object.entries(fields)) {
      const place = series.field(name, kindOf(value))
      if (isRefusal(place)) throw new Error(place.detail)
      sample.values[place as number] = value
    }
    return sample
  }
}
