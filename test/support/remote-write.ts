/** A series as a sender has it. */
export interface TestSeries {
  readonly labels: ReadonlyArray<readonly string[]>
  /** Value and ms since the epoch. */
  readonly samples: ReadonlyArray<readonly [value: number, timeMs: number]>
  readonly histograms: number
  readonly exemplars: number
}

/** A request of remote write, not packed. */
export function packedSeries(series: readonly TestSeries[], version: '1.0' | '2.0'): Buffer {
  return version === '1.0' ? requestOf1(series) : requestOf2(series)
}

function requestOf1(series: readonly TestSeries[]): Buffer {
  return Buffer.concat(
    series.map(({ labels, samples, histograms, exemplars }) =>
      bytesField(1, [
        ...labels.map(([name, value]) => bytesField(1, [textField(1, name!), textField(2, value!)])),
        ...samples.map((sample) => bytesField(2, sampleFields(sample))),
        ...Array.from({ length: exemplars }, () => bytesField(3, [])),
        ...Array.from({ length: histograms }, () => bytesField(4, [varintField(1, 7)])),
      ]),
    ),
  )
}

function requestOf2(series: readonly TestSeries[]): Buffer {
  const symbols = new Map([['', 0]])
  const reference = (text: string): number => {
    const known = symbols.get(text) ?? symbols.size
    symbols.set(text, known)
    return known
  }
  const written = series.map(({ labels, samples, histograms, exemplars }) =>
    bytesField(5, [
      ...(labels.length === 0
        ? []
        : [
            bytesField(
              1,
              labels.flat().map((text) => varint(BigInt(reference(text)))),
            ),
          ]),
      ...samples.map((sample) => bytesField(2, sampleFields(sample))),
      ...Array.from({ length: histograms }, () => bytesField(3, [varintField(1, 7)])),
      ...Array.from({ length: exemplars }, () => bytesField(4, [])),
      bytesField(5, [varintField(1, 1), varintField(3, reference('a help text'))]),
    ]),
  )
  return Buffer.concat([...Array.from(symbols.keys(), (text) => textField(4, text)), ...written])
}

function sampleFields([value, timeMs]: readonly [number, number]): Buffer[] {
  const double = Buffer.alloc(9, 0x09)
  double.writeDoubleLE(value, 1)
  return [double, varintField(2, timeMs)]
}

function textField(field: number, text: string): Buffer {
  return bytesField(field, [Buffer.from(text)])
}

function bytesField(field: number, parts: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([varint(BigInt(field * 8 + 2)), varint(BigInt(bytes.length)), bytes])
}

function varintField(field: number, value: number): Buffer {
  return Buffer.concat([varint(BigInt(field * 8)), varint(BigInt.asUintN(64, BigInt(value)))])
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  for (let left = value; ; left >>= 7n) {
    const low = Number(left & 0x7fn)
    if (left < 0x80n) return Buffer.from([...bytes, low])
    bytes.push(low | 0x80)
  }
}

/** A block of Snappy, with a copy wherever the last four bytes have come within the last 60,000 before. */
export function packSnappy(bytes: Buffer): Buffer {
  const parts = [varint(BigInt(bytes.length))]
  const seen = new Map<string, number>()
  let [at, from] = [0, 0]
  while (at < bytes.length) {
    const key = bytes.toString('latin1', at, at + 4)
    const before = seen.get(key)
    seen.set(key, at)
    if (before === undefined || at - before > 60_000 || at + 4 > bytes.length) {
      at++
      continue
    }
    let length = 4
    while (length < 64 && at + length < bytes.length && bytes[before + length] === bytes[at + length]) length++
    parts.push(literal(bytes.subarray(from, at)), copy(at - before, length))
    at += length
    from = at
  }
  return Buffer.concat([...parts, literal(bytes.subarray(from))])
}

function literal(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes
  const size = bytes.length - 1
  if (size < 60) return Buffer.concat([Buffer.of(size << 2), bytes])
  const more = size < 256 ? 1 : size < 65_536 ? 2 : 3
  const head = Buffer.alloc(1 + more, (59 + more) << 2)
  head.writeUIntLE(size, 1, more)
  return Buffer.concat([head, bytes])
}

function copy(offset: number, length: number): Buffer {
  if (offset < 2048 && length < 12) return Buffer.of(((offset >> 8) << 5) | ((length - 4) << 2) | 1, offset & 0xff)
  return Buffer.of(((length - 1) << 2) | 2, offset & 0xff, offset >> 8)
}
