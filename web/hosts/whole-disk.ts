const PARTITION = /^((?:sd|hd|vd|xvd)[a-z]+)\d+$|^((?:nvme\d+n|mmcblk)\d+)p\d+$/
const LAYERED = /^(?:dm-|md|bcache|drbd|zd|loop|ram|zram)\d+$/

/**
 * Whether the bytes of this device belong to no other device, by its name: partitions and mapped devices lie on top of
 * disks. It is for samples without the mark of `stacked.ts`, from Telegraf or an agent from before. A partition
 * counts where `others` has no disk for it, as on some virtual machines.
 */
export function isWholeDisk(name: string, others: { has(name: string): boolean }): boolean {
  if (LAYERED.test(name)) return false
  const match = PARTITION.exec(name)
  return match === null || !others.has(match[1] ?? match[2]!)
}
