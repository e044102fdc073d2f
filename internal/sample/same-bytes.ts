/** Whether so many bytes are the same, four at a time: the names of a series take a fifth less than one by one. */
export function sameBytes(one: DataView, oneAt: number, other: DataView, otherAt: number, length: number): boolean {
  let i = 0
  for (const last = length - 4; i <= last; i += 4) {
    if (one.getInt32(oneAt + i) !== other.getInt32(otherAt + i)) return false
  }
  for (; i < length; i++) if (one.getUint8(oneAt + i) !== other.getUint8(otherAt + i)) return false
  return true
}

/** A view of the same bytes. */
export function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length)
}
