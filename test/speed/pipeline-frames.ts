import { runHelper } from './processes.ts'
import type { Row } from './row.ts'

/** The result of pipeline-process.ts. */
interface Carried {
  readonly samples: number
  readonly cpuUs: number
}

export const pipelineFrames: Row = {
  id: 'pipeline-frames',
  page: 'speed',
  what: 'Frames of 100 samples through the pipeline into a store that takes all at once, in one process: CPU of all its threads',
  command: 'npm run speed -- --rows pipeline-frames',
  figures: [{ name: 'CPU', unit: 'µs/sample', decimals: 3, reach: { atMost: 0.25 } }],
  async run({ settings, signal, say }) {
    say(`for ${settings.seconds} s`)
    const { samples, cpuUs } = await runHelper<Carried>('pipeline', [`${settings.seconds}`], signal)
    return { figures: { CPU: cpuUs / samples } }
  },
}
