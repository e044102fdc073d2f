/** Publishers of others write to this channel, so its name is fixed. */
const CHANNEL = 'metrics'

/** The channel of each partition: `metrics`, or with more than one `metrics:0`, `metrics:1` … */
export function channelNames(partitions: number): string[] {
  return partitions === 1 ? [CHANNEL] : Array.from({ length: partitions }, (_, partition) => `${CHANNEL}:${partition}`)
}
