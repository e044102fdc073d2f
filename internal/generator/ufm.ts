import { Counters, type Target, writeCount, writeDecimal } from './cells.ts'
import { Load } from './load.ts'
import type { Profile, ProfileOptions } from './profile.ts'
import { Random } from './random.ts'

const COMMA = 0x2c
const LINE_FEED = 0x0a

/** Counters of 64 bits of which a snapshot adds millions, in the order of the columns. */
const FLOWS = ['PortXmitDataExtended', 'PortRcvDataExtended', 'PortXmitPktsExtended', 'PortRcvPktsExtended'] as const
/**
 * Counters that rarely move, with their largest value: hardware keeps some of them in 8 or 16 bits, and where they reach
 * that they stay.
 */
const ERRORS: ReadonlyArray<readonly [name: string, most: number]> = [
  ['SymbolErrorCounterExtended', 0xffff],
  ['LinkErrorRecoveryCounterExtended', 0xff],
  ['LinkDownedCounterExtended', 0xff],
  ['PortRcvErrorsExtended', 0xffff],
  ['PortRcvRemotePhysicalErrorsExtended', 0xffff],
  ['PortRcvSwitchRelayErrorsExtended', 0xffff],
  ['PortXmitDiscardsExtended', 0xffff],
  ['PortXmitConstraintErrorsExtended', 0xff],
  ['PortRcvConstraintErrorsExtended', 0xff],
  ['LocalLinkIntegrityErrorsExtended', 0xff],
  ['ExcessiveBufferOverrunErrorsExtended', 0xff],
  ['VL15DroppedExtended', 0xffff],
  ['QP1DroppedExtended', 0xffff],
  ['PortSwLifetimeLimitDiscards', 0xffff],
]
const LINK_DOWNED = 2
const DISCARDS = 6
/** The errors that a noisy cable makes, each less often than the one before it. */
const OF_NOISE = [0, 3, 9, 4, 1]
/** Packets by how long they waited, from the shortest. */
const HISTOGRAM = ['hist0', 'hist1', 'hist2', 'hist3', 'hist4'] as const
const CASTS = [
  ...['PortUniCastXmitPktsExtended', 'PortUniCastRcvPktsExtended'],
  ...['PortMultiCastXmitPktsExtended', 'PortMultiCastRcvPktsExtended'],
] as const

const NAMES = ['node_guid', 'port_guid', 'port_num'] as const
const HEADER = [
  ...['timestamp', 'source_id', 'tag', ...NAMES],
  ...[...FLOWS, ...ERRORS.map(([name]) => name), 'PortXmitWaitExtended', ...HISTOGRAM, ...CASTS],
  ...['infiniband_CBW', 'Normalized_CBW', 'NormalizedXmitData'],
]

/** Of InfiniBand, which counts data in words of four bytes: 400 Gbit/s. */
const WORDS_PER_SECOND = 12.5e9
const LINK_GBPS = 400
const WORDS_PER_PACKET = 520
const WAIT_TICKS_PER_SECOND = 1e9
/** A port waits for its neighbour where it is busier than this. */
const WAITS_ABOVE = 0.7
const TWO_53 = 2n ** 53n
const MOST = 2n ** 63n - 1n

interface UfmOptions extends ProfileOptions {
  readonly portsPerSwitch: number
}

/** One row a port, as the primary telemetry of NVIDIA's UFM has it: 31 figures, and the time in µs. */
export class UfmProfile implements Profile {
  readonly header = `${HEADER.join(',')}\n`
  // Ports of a switch share its GUID: only the number tells them apart.
  readonly names = ['port_guid', 'node_guid', 'port_num'] as const
  readonly mostRowBytes = 700
  readonly rows: number
  readonly #portsPerSwitch: number
  readonly #stepSeconds: number
  readonly #random: Random
  readonly #load: Load
  /** What of the load of its switch a port has. */
  readonly #share: Float32Array
  /** Of each row, what stands between its time and its first counter: `,<source>,,<node>,<port>,<number>,`. */
  readonly #who: Buffer
  readonly #whoEnds: Uint32Array
  readonly #time = Buffer.alloc(20)
  #timeBytes = 0
  /** Words sent and received, packets sent and received. */
  readonly #flows: readonly Counters[]
  readonly #errors: readonly Uint32Array[]
  readonly #wait: Counters
  readonly #histogram: readonly Counters[]
  readonly #casts: readonly Counters[]
  /** The load of the switch whose ports are being written. */
  #switchLoad = 0

  constructor({ switches, portsPerSwitch, intervalMs, seed }: UfmOptions) {
    const rows = switches * portsPerSwitch
    this.rows = rows
    this.#portsPerSwitch = portsPerSwitch
    this.#stepSeconds = intervalMs / 1_000
    const random = new Random(seed)
    this.#random = random
    this.#load = new Load(switches, intervalMs, random)
    this.#share = Float32Array.from({ length: rows }, () => 0.3 + random.next())
    const who = whoOf(switches, portsPerSwitch, random)
    this.#who = Buffer.from(who.join(''), 'latin1')
    let end = 0
    this.#whoEnds = Uint32Array.from(who, (text) => (end += text.length))
    const upTo = (most: number) => (): bigint => BigInt(random.below(most))
    this.#flows = [firstWords, firstWords, firstPackets, firstPackets].map(
      (first) => new Counters(rows, (row) => first(row, random)),
    )
    this.#errors = ERRORS.map(([, most], i) => firstErrors(rows, i, most))
    this.#wait = new Counters(rows, (row) => firstWait(row, random))
    this.#histogram = HISTOGRAM.map((_, i) => new Counters(rows, upTo(10 ** (12 - 2 * i))))
    this.#casts = CASTS.map((_, i) => new Counters(rows, upTo(i < 2 ? 1e13 : 1e7)))
  }

  begin(atUs: number): void {
    this.#load.begin()
    this.#timeBytes = this.#time.write(`${atUs}`, 'latin1')
  }

  writeRow(row: number, target: Target, at: number): number {
    const at1 = this.#writeWho(row, target.bytes, at)
    const ofSwitch = Math.floor(row / this.#portsPerSwitch)
    if (row % this.#portsPerSwitch === 0) this.#switchLoad = this.#load.advance(ofSwitch)
    const isDown = this.#load.isDown(ofSwitch)
    const [sent, received] = [this.#busy(row), this.#busy(row)]
    this.#move(row, ofSwitch, sent, received)
    return this.#writeFigures(row, isDown ? undefined : sent, target, at1)
  }

  #writeWho(row: number, bytes: Buffer, at: number): number {
    const timeEnd = at + this.#time.copy(bytes, at, 0, this.#timeBytes)
    const start = row === 0 ? 0 : this.#whoEnds[row - 1]!
    return timeEnd + this.#who.copy(bytes, timeEnd, start, this.#whoEnds[row]!)
  }

  /** How much of the link a port uses. */
  #busy(row: number): number {
    return Math.min(0.99, this.#switchLoad * this.#share[row]! * (0.9 + 0.2 * this.#random.next()))
  }

  #move(row: number, ofSwitch: number, sent: number, received: number): void {
    const words = WORDS_PER_SECOND * this.#stepSeconds
    const packets = words / WORDS_PER_PACKET
    const packetsSent = Math.floor(packets * sent)
    const packetsReceived = Math.floor(packets * received)
    const [wordsOut, wordsIn, packetsOut, packetsIn] = this.#flows
    wordsOut!.add(row, Math.floor(words * sent))
    wordsIn!.add(row, Math.floor(words * received))
    packetsOut!.add(row, packetsSent)
    packetsIn!.add(row, packetsReceived)
    const [uniOut, uniIn, multiOut, multiIn] = this.#casts
    const multi = Math.floor(packetsSent / 10_000)
    uniOut!.add(row, packetsSent - multi)
    uniIn!.add(row, packetsReceived - Math.floor(packetsReceived / 10_000))
    multiOut!.add(row, multi)
    multiIn!.add(row, Math.floor(packetsReceived / 10_000))
    this.#wait.add(row, this.#waited(ofSwitch, sent))
    this.#moveHistogram(row, packetsSent, sent)
    this.#moveErrors(row, ofSwitch)
  }

  /** Ticks in which a port had something to send and its neighbour no room. */
  #waited(ofSwitch: number, sent: number): number {
    const part = Math.max(0, sent - WAITS_ABOVE) + (this.#load.isCongested(ofSwitch) ? 0.2 : 0)
    return Math.floor(WAIT_TICKS_PER_SECOND * this.#stepSeconds * part)
  }

  /** The busier a port, the more of its packets wait long. */
  #moveHistogram(row: number, packets: number, sent: number): void {
    let left = packets
    for (let i = 0; i < HISTOGRAM.length - 1; i++) {
      const here = Math.floor(left * (1 - 0.5 * sent))
      this.#histogram[i]!.add(row, here)
      left -= here
    }
    this.#histogram[HISTOGRAM.length - 1]!.add(row, left)
  }

  #moveErrors(row: number, ofSwitch: number): void {
    // One port of a noisy switch has the bad cable.
    const hasCable = row % this.#portsPerSwitch === ofSwitch % this.#portsPerSwitch
    if (!hasCable) return
    if (this.#load.isNoisy(ofSwitch)) {
      for (const [i, column] of OF_NOISE.entries()) {
        if (this.#random.next() < 1 / (i + 1)) this.#addErrors(column, row, 1 + this.#random.below(20 >> i))
      }
    }
    if (this.#load.isCongested(ofSwitch)) this.#addErrors(DISCARDS, row, this.#random.below(4))
    if (this.#load.isDown(ofSwitch) && this.#random.next() < 0.3) this.#addErrors(LINK_DOWNED, row, 1)
  }

  #addErrors(column: number, row: number, count: number): void {
    const values = this.#errors[column]!
    values[row] = Math.min(ERRORS[column]![1], values[row]! + count)
  }

  /** @param sent undefined of a port that is down: what is measured now has no value then */
  #writeFigures(row: number, sent: number | undefined, target: Target, at: number): number {
    const { bytes } = target
    let end = at
    for (const flow of this.#flows) {
      end = flow.write(row, target, end)
      bytes[end++] = COMMA
    }
    for (const values of this.#errors) {
      end = writeCount(values[row]!, target, end)
      bytes[end++] = COMMA
    }
    end = this.#wait.write(row, target, end)
    bytes[end++] = COMMA
    for (const bucket of this.#histogram) {
      end = bucket.write(row, target, end)
      bytes[end++] = COMMA
    }
    for (const cast of this.#casts) {
      end = cast.write(row, target, end)
      bytes[end++] = COMMA
    }
    if (sent === undefined) return end + bytes.write(',,\n', end, 'latin1')
    const wait = Math.max(0, sent - WAITS_ABOVE)
    end = writeDecimal(sent * LINK_GBPS * (1 - wait), 2, target, end)
    bytes[end++] = COMMA
    end = writeDecimal(sent * (1 - wait), 3, target, end)
    bytes[end++] = COMMA
    end = writeDecimal(sent, 3, target, end)
    bytes[end] = LINE_FEED
    return end + 1
  }
}

function whoOf(switches: number, portsPerSwitch: number, random: Random): string[] {
  const source = guidOf(0, random)
  return Array.from({ length: switches }, (_, i) => guidOf(i, random)).flatMap((guid) =>
    Array.from({ length: portsPerSwitch }, (_, port) => `,${source},,${guid},${guid},${port + 1},`),
  )
}

/** `0x` and sixteen digits: a vendor's prefix, something of the seed, and the number of the switch, so that none is twice. */
function guidOf(index: number, random: Random): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')
  return `0xb83fd2${hex(random.below(0x10000), 4)}${hex(index, 6)}`
}

/** Some begin shortly before 2^53 and pass it, some have nearly all of 63 bits: a reader must keep both exact. */
function firstWords(row: number, random: Random): bigint {
  if (row % 64 === 3) return TWO_53 - BigInt(random.below(2e11))
  if (row % 64 === 5) return MOST - (1n << 57n) + BigInt(random.below(1e9))
  return BigInt(random.below(1e15))
}

function firstPackets(row: number, random: Random): bigint {
  return row % 64 === 3 ? TWO_53 - BigInt(random.below(1e9)) : BigInt(random.below(1e13))
}

/** One in 64 stands at the largest value already. */
function firstWait(row: number, random: Random): bigint {
  if (row % 64 === 7) return MOST - BigInt(random.below(1e15))
  return row % 64 === 9 ? MOST : BigInt(random.below(1e12))
}

/** Most ports never had an error; a few stand at the largest value, and nobody knows how many they had. */
function firstErrors(rows: number, column: number, most: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, row) => (row % 256 === 21 + column ? most : 0))
}
