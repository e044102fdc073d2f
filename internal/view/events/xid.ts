/** What NVIDIA calls the errors that are met most. */
const MEANINGS: ReadonlyMap<number, string> = new Map([
  [13, 'graphics engine exception'],
  [31, 'GPU memory page fault'],
  [32, 'invalid or corrupted push buffer stream'],
  [38, 'driver firmware error'],
  [43, 'GPU stopped processing'],
  [45, 'preemptive cleanup, due to previous errors'],
  [48, 'double bit ECC error'],
  [61, 'internal micro-controller breakpoint or warning'],
  [62, 'internal micro-controller halt'],
  [63, 'ECC page retirement or row remapping recorded'],
  [64, 'ECC page retirement or row remapping could not be recorded'],
  [69, 'graphics engine class error'],
  [74, 'NVLink error'],
  [79, 'GPU has fallen off the bus'],
  [92, 'high single-bit ECC error rate'],
  [94, 'contained ECC error'],
  [95, 'uncontained ECC error'],
  [119, 'GSP RPC timeout'],
  [120, 'GSP error'],
])

export function xidText(xid: number): string {
  const meaning = MEANINGS.get(xid)
  return meaning === undefined ? `Xid ${xid}` : `Xid ${xid}: ${meaning}`
}
