import { sendCommands } from './commands.ts'
import { FrameMessageWriter } from './frames.ts'
import type { LoadOptions } from './load-types.ts'
import { JsonWriter, type MessageWriter, PackedWriter } from './messages.ts'
import { Values } from './values.ts'

/** The options that decide the bytes of a message. */
export type MessageOptions = Pick<
  LoadOptions,
  'broker' | 'format' | 'workers' | 'hosts' | 'samplesPerMessage' | 'values'
>

/** The workers that a thread plays: every `threads`th one. */
export function workersOf(thread: number, threads: number, workers: number): number[] {
  return Array.from({ length: Math.ceil((workers - thread) / threads) }, (_, n) => thread + n * threads)
}

/**
 * @param name the beginning of each worker's run id. Each step needs another, because a run is over after its end
 * marker
 */
export function writerOf(options: MessageOptions, name: string, workers: readonly number[]): MessageWriter {
  const { broker, format, hosts, samplesPerMessage } = options
  const values = new Values(options.values)
  const runIds = workers.map((worker) => `${name}-${worker}`)
  const heads = sendCommands(broker, runIds)
  const hostNames = workers.map((worker) => (hosts === 0 ? '' : `bench-${worker % hosts}`))
  switch (format) {
    case 'packed':
      return new PackedWriter(heads, values)
    case 'json':
      return new JsonWriter(heads, hostNames, values)
    case 'frame': {
      const frames = workers.map((_, n) => ({ head: heads[n]!, runId: runIds[n]!, host: hostNames[n] || 'bench-0' }))
      return new FrameMessageWriter(frames, samplesPerMessage, values)
    }
  }
}
