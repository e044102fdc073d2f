import { storeCount } from '../../bench/load/store-count.ts'
import type { Stack } from '../../bench/stack/stack.ts'
import { InfluxTransport } from '../../internal/store/influx/transport.ts'
import { Cores, type CpuByProgram } from './cores.ts'
import { SAMPLES_PER_FRAME } from './play.ts'
import { runHelper } from './processes.ts'

/** The result of bare-writer-process.ts. */
interface Written {
  readonly samples: number
  readonly seconds: number
  /** The times of its samples are in `[startUs, endUs)`. */
  readonly startUs: number
  readonly endUs: number
}

/** Apart from that of the servers. VictoriaMetrics has none: there the times keep them apart. */
const DATABASE = 'bare_writer'

/**
 * How fast the store of a stack takes lines that are made already.
 *
 * @returns with the CPU of the store and the writer, which was a child of the load generator
 * @throws Error when the store has not all that it answered for
 */
export async function writeBare(
  stack: Stack,
  seconds: number,
  signal: AbortSignal,
): Promise<Written & { readonly cpuUs: CpuByProgram }> {
  const kind = 'influxdb' in stack.versions ? 'influx' : 'victoria'
  const cores = new Cores()
  const args = [stack.storeUrl, kind, DATABASE, `${SAMPLES_PER_FRAME}`, `${seconds}`]
  const written = await runHelper<Written>('bare-writer', args, signal)
  const cpuUs = cores.own()
  const transport = new InfluxTransport({ url: stack.storeUrl })
  try {
    const stored = await storeCount(transport, DATABASE)(written, signal)
    const { samples } = written
    if (stored !== samples) throw new Error(`the store has ${stored} of ${samples} samples of the bare writer`)
  } finally {
    transport.close()
  }
  return { ...written, cpuUs }
}
