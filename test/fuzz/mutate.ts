import type { Random } from '../support/random.ts'

/** The worst values for lengths, counts and times. */
const EXTREMES = [0, 1, 2, 3, 7, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff]
const MAX_BYTES = 64 * 1024

type Mutation = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer

const flipBit: Mutation = (bytes, random) => {
  const at = random.below(bytes.length)
  bytes[at] = bytes[at]! ^ (1 << random.below(8))
  return bytes
}

const setByte: Mutation = (bytes, random) => {
  bytes[random.below(bytes.length)] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff, random.next()])
  return bytes
}

const setWord: Mutation = (bytes, random) => {
  const size = random.pick([2, 4, 8])
  if (bytes.length < size) return bytes
  const value = random.pick(EXTREMES)
  const at = random.below(bytes.length - size + 1)
  if (size === 2) bytes.writeUInt16LE(value & 0xffff, at)
  else bytes.writeUInt32LE(value, at)
  if (size === 8) bytes.writeUInt32LE(random.pick(EXTREMES), at + 4)
  return bytes
}

/** A count that is wrong by a little is worse than one that is wrong by much. */
const nudge: Mutation = (bytes, random) => {
  const at = random.below(bytes.length)
  bytes[at] = bytes[at]! + random.pick([1, -1, 2, -2, 8, -8])
  return bytes
}

const cut: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length))

const cutOut: Mutation = (bytes, random) => {
  const from = random.below(bytes.length)
  const to = from + 1 + random.below(Math.min(64, bytes.length - from))
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
}

const insert: Mutation = (bytes, random) => {
  const at = random.below(bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(32)), bytes.subarray(at)])
}

const repeat: Mutation = (bytes, random) => {
  const from = random.below(bytes.length)
  const piece = bytes.subarray(from, from + 1 + random.below(Math.min(256, bytes.length - from)))
  const copies = Array<Buffer>(1 + random.below(4)).fill(piece)
  return Buffer.concat([bytes.subarray(0, from), ...copies, bytes.subarray(from)])
}

const splice: Mutation = (bytes, random, others) => {
  const other = random.pick(others)
  return Buffer.concat([bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(random.below(other.length))])
}

const MUTATIONS = [flipBit, flipBit, setByte, setWord, setWord, nudge, cut, cutOut, insert, repeat, splice]

/** A good input with one to four faults. It may be empty, and now and then it is still good. */
export function mutate(random: Random, good: readonly Buffer[]): Buffer {
  let bytes = Buffer.from(random.pick(good))
  for (let left = 1 + random.below(4); left > 0 && bytes.length > 0; left--) {
    bytes = Buffer.from(random.pick(MUTATIONS)(bytes, random, good))
  }
  return bytes.subarray(0, MAX_BYTES)
}

/** A good text with some tokens replaced, doubled or removed. */
export function mutateText(random: Random, good: readonly string[], tokens: readonly string[]): Buffer {
  const parts = random.pick(good).split(/(?<=[{}[\]:,"])|(?=[{}[\]:,"])/)
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(parts.length)
    const removed = random.below(2)
    const added = random.below(4) === 0 ? [] : [random.pick(tokens)]
    parts.splice(at, removed, ...added)
  }
  return Buffer.from(parts.join(''))
}
